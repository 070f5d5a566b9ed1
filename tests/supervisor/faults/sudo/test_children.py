"""A child that runs as root below the real sudo, kept by a supervisor that is not root."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ollamon import readings, sudo
from ollamon.cli import down
from ollamon.cli.session import Session
from ollamon.errors import LeftoverError
from ollamon.supervisor import guard, privileged
from ollamon.supervisor.spec import Listen, ServiceSpec
from tests.fakes.sudo_user import SudoUser, needs_sudo
from tests.supervisor.faults.users import as_user
from tests.supervisor.harness import (
    CHILD,
    FULL,
    Running,
    Stacks,
    free_port,
    guard_of,
    is_alive,
    nothing_is_left,
    service,
    until,
)

pytestmark = needs_sudo

LIFELINE_S = 0.1
HELPER = CHILD.with_name("root_helper.py")
# Debian's default is the first, older systems and macOS have the second.
TERMINALS = pytest.mark.parametrize("terminal", ["use_pty", "!use_pty"])


def root_words(*flags: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-u", str(CHILD), "--lifeline", *flags)


def root(*flags: str, **fields: object) -> ServiceSpec:
    """A service that runs the fake child as root."""
    given = {"through_sudo": True, "environment": {"LC_ALL": "C"}, **fields}
    return ServiceSpec("root", sudo.command(root_words(*flags)), {}, **given)  # type: ignore[arg-type]


def allow(user: SudoUser, *flags: str, terminal: str = "use_pty") -> None:
    user.allow(f"Defaults:USER {terminal}", sudo.rule("USER", root_words(*flags)))


def other() -> ServiceSpec:
    """A child of the user's; access(2) has no regard for what lets the user read this checkout."""
    plain = service("proxy")
    return replace(plain, argv=("/usr/bin/env", *plain.argv))


def start(stacks: Stacks, user: SudoUser, *services: ServiceSpec) -> Running:
    return stacks.start_spec(stacks.spec(*services), prefix=as_user(stacks.folder, uid=user.uid))


@contextlib.contextmanager
def root_below(stack: Running) -> Iterator[tuple[int, int]]:
    """Return the pids of sudo and of what it runs; root removes them at the end."""
    pid = stack.pid_of("root")
    (child,) = until(lambda: privileged.roots_below(pid), "sudo runs the child")
    assert psutil.Process(child).uids().effective == 0
    assert psutil.Process(stack.process.pid).uids().effective != 0
    try:
        yield pid, child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def gone_after(*pids: int) -> float:
    began = time.monotonic()
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() - began < 30
        time.sleep(0.002)
    return time.monotonic() - began


@TERMINALS
def test_a_root_child_starts_tells_how_it_fares_and_stops_in_order(stacks, user, terminal):
    allow(user, "--say", "hello", terminal=terminal)
    stack = start(stacks, user, root("--say", "hello"), other()).ready()
    with root_below(stack) as (pid, child):
        until(lambda: stack.child("root").note == "hello", "its words come up")
        until(lambda: stack.child("root").health.detail == "watchdog", "it shows that it lives")
        began = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - began < 2
        assert not is_alive(pid)
        assert not is_alive(child)


@TERMINALS
@pytest.mark.fault(31)
def test_a_root_child_ends_with_its_supervisor(stacks, user, terminal):
    allow(user, terminal=terminal)
    took = []
    # A machine that is busy with something else may miss the time, not again and again.
    while not took or (min(took) > LIFELINE_S and len(took) < 5):
        stack = start(stacks, user, root()).ready()
        run_id = stack.status().run_id
        with root_below(stack) as (pid, child):
            stack.signal(signal.SIGKILL)
            took.append(gone_after(pid, child))
        stack.ended()
        nothing_is_left(run_id)
    assert min(took) <= LIFELINE_S, took


@TERMINALS
def test_a_root_child_whose_sudo_is_killed_ends_and_comes_back(stacks, user, terminal):
    allow(user, terminal=terminal)
    stack = start(stacks, user, root()).ready()
    with root_below(stack) as (pid, child):
        seen = len(stack.events)
        os.kill(pid, signal.SIGKILL)
        assert gone_after(pid, child) <= 1
        stack.wait_for("root", "ready", after=seen)
    assert stack.stop() == 0


@pytest.mark.fault(32)
def test_a_root_child_that_is_stuck_is_ended_by_its_watchdog(stacks, user):
    allow(user, "--stuck")
    stack = start(stacks, user, root("--stuck", stop_timeout_s=0.1)).ready()
    with root_below(stack) as (pid, child):
        began = time.monotonic()
        assert stack.stop() == 0
        # Later than the end of the lifeline, and before it is given up.
        assert time.monotonic() - began > 2
        assert not is_alive(pid)
        assert not is_alive(child)


@pytest.mark.fault(32)
@pytest.mark.parametrize("terminal", ["use_pty", "!use_pty"] if FULL else ["use_pty"])
def test_a_root_child_that_hears_nothing_is_named_and_its_sudo_is_never_killed(
    stacks, user, terminal
):
    allow(user, "--ignterm", terminal=terminal)
    stack = start(stacks, user, root("--ignterm", stop_timeout_s=0.1), other()).ready()
    with root_below(stack) as (pid, child):
        with pytest.raises(LeftoverError, match=f"cannot end root pid {child}"):
            down.stop(Session(), stack.runtime, None)
        assert stack.ended() == 9
        assert stack.history("root")[-2:] == ["stopping", "stop-failed"]
        failed = stack.wait_for("root", "stop-failed")
        assert failed.detail.endswith(f"as root: kill -KILL {child}")
        assert stack.wait_for("", "failed").detail == f"cannot end root pid {child}"
        assert is_alive(pid)
        assert is_alive(child)
        # What is said ends both.
        subprocess.run(["kill", "-KILL", str(child)], check=True)
        gone_after(pid, child)


SWEEP = """
import sys
from pathlib import Path
from ollamon.supervisor import leftovers
leftovers.sweep(leftovers.leftovers(Path(sys.argv[1])), grace_s=0.2)
"""


@pytest.mark.fault(32)
def test_a_root_child_of_a_dead_run_that_hears_nothing_is_named_and_spared(stacks, user):
    allow(user, "--ignterm")
    stack = start(stacks, user, root("--ignterm")).ready()
    guards = guard_of(stack.status().run_id)
    with root_below(stack) as (pid, child):
        stack.signal(signal.SIGKILL)
        stack.ended()
        # The guard knows nothing of sudo, or it would wait, and kill it in the end.
        assert gone_after(*guards) < guard.GRACE_S / 2
        words = (sys.executable, "-I", "-c", SWEEP, str(stack.runtime))
        done = user.run_as(as_user(uid=user.uid), *words)
        assert f"root, root pid {child} does not leave" in done.stderr
        assert is_alive(pid)
        os.kill(child, signal.SIGKILL)
        gone_after(pid, child)
        assert user.run_as(as_user(uid=user.uid), *words).returncode == 0


@pytest.mark.fault(33)
def test_a_root_child_that_wants_a_password_fails_at_once_and_the_rest_runs(stacks, user):
    user.allow(sudo.rule("USER", root_words()).replace("NOPASSWD:", "PASSWD:"))
    stack = start(stacks, user, root(), other())
    stack.wait_for("", "degraded")
    assert stack.history("root") == ["starting", "failed"]
    assert "a password is required" in stack.wait_for("root", "failed").detail
    assert stack.child("proxy").state == "ready"
    assert stack.stop() == 0


def test_more_or_other_words_than_the_rule_has_are_refused(stacks, user):
    allow(user)
    assert user.sudo("-l", "--", *root_words()).returncode == 0
    for words in (root_words("--say", "x"), root_words()[:-1], (sys.executable, "-c", "1")):
        assert user.sudo("-l", "--", *words).returncode != 0
        assert user.sudo("--", *words).returncode != 0


@pytest.fixture
def launcher(user: SudoUser) -> Path:
    """A program of root's that starts the fake child."""
    return user.program("launch", f"exec {' '.join(root_words())}")


@pytest.mark.fault(34)
def test_a_program_that_no_longer_has_its_digest_is_refused(stacks, user, launcher):
    said = subprocess.run(["sha256sum", launcher], capture_output=True, text=True, check=True)
    digest = said.stdout.split()[0]
    user.allow(f'USER ALL=(root) NOPASSWD: sha256:{digest} {launcher} ""')
    spec = ServiceSpec(
        "root",
        sudo.command([str(launcher)]),
        {},
        through_sudo=True,
        environment={"LC_ALL": "C"},
    )
    stack = start(stacks, user, spec, other()).ready()
    with root_below(stack):
        assert stack.stop() == 0
    assert user.sudo("-l", "--", str(launcher), "--more").returncode != 0
    with launcher.open("a") as file:
        file.write("# changed\n")
    assert user.sudo("-l", "--", str(launcher)).returncode != 0
    stack = start(stacks, user, spec, other())
    stack.wait_for("", "degraded")
    assert sudo.is_refused(stack.wait_for("root", "failed").detail)
    assert stack.child("proxy").state == "ready"
    assert stack.stop() == 0


@pytest.fixture
def counter(stacks: Stacks) -> Path:
    """The energy counter of a package that, as in /sys, everybody sees and only root may read."""
    package = stacks.folder / "sys" / "class" / "powercap" / "intel-rapl:0"
    package.mkdir(parents=True)
    (package / "name").write_text("package-0\n")
    (package / "max_energy_range_uj").write_text("262143328850\n")
    file = package / "energy_uj"
    file.write_text("1000000\n")
    file.chmod(0o400)
    return file


def facts_of(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


@TERMINALS
@pytest.mark.fault(35)
def test_the_helper_keeps_nothing_of_root_but_the_open_counters(stacks, user, counter, terminal):
    words = (sys.executable, "-I", "-u", str(HELPER), str(counter.parents[3]), "--lifeline")
    user.allow(f"Defaults:USER {terminal}", sudo.rule("USER", words))
    port = free_port()
    helper = ServiceSpec(
        "root",
        sudo.command(words),
        {"helper": {"listen": f"127.0.0.1:{port}", "interval": "1s", "run_as": "root"}},
        (Listen("listen", "127.0.0.1", port, "helper.listen", held=False),),
        through_sudo=True,
    )
    stack = start(stacks, user, helper).ready()
    (pid,) = until(lambda: privileged.roots_below(stack.pid_of("root")), "sudo runs the helper")
    facts = facts_of(pid)
    assert facts["Uid"] == facts["Gid"] == [str(user.uid)] * 4
    assert facts["Groups"] == []
    assert {int(facts[f"Cap{kind}"][0], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}
    assert facts["NoNewPrivs"] == ["1"]
    listening = [each.laddr for each in psutil.Process(pid).net_connections() if not each.raddr]
    assert listening == [("127.0.0.1", port)]
    # A new start could not read the counter.
    assert user.run("cat", str(counter)).returncode != 0

    def power() -> float | None:
        counter.write_text(f"{int(counter.read_text()) + 500_000}\n")
        reading = readings.from_json(ask(port))
        return reading.cpu.power_mw

    assert until(power, "it reads the counter") > 0
    assert stack.stop() == 0
    assert not is_alive(pid)


def ask(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read()
