"""`ollamon up` with a helper that should run as root, before the real sudo, by somebody else."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import takewhile

import pexpect
import psutil
import pytest

from ollamon import sudo
from tests.fakes.sudo_user import PASSWORD, SudoUser, needs_sudo
from tests.supervisor.faults.users import as_user
from tests.supervisor.harness import FULL, until
from tests.system.stack import Stack

pytestmark = [needs_sudo, pytest.mark.timeout(300)]

WHY = "The helper needs root to open the CPU's energy counters; then it gives root up."
WITHOUT = "no CPU power"


class UsersStack(Stack):
    """One whose commands the user runs."""

    user: SudoUser
    python: str

    def command(self, *arguments: str) -> list[str]:
        words = (self.python, "-m", "ollamon.cli", *arguments)
        return [*as_user(self.home, self.config, uid=self.user.uid), *words]

    def helper_words(self) -> tuple[str, ...]:
        return (self.python, "-I", "-u", "-m", "ollamon.helper", "--lifeline")

    def allow(self, tag: str, *more: str) -> None:
        rule = sudo.rule("USER", self.helper_words()).replace("NOPASSWD:", f"{tag}:")
        self.user.allow("Defaults:USER passwd_tries=" + ("3" if FULL else "1"), rule, *more)

    def helper(self) -> psutil.Process:
        return psutil.Process(self.children()["helper"]["pid"])


@pytest.fixture
def stack(stacks, user: SudoUser, python: str) -> Iterator[UsersStack]:
    made = UsersStack(stacks.folder, "http://127.0.0.1:9")
    made.user, made.python = user, python
    text = made.config.read_text()
    text = text.replace("[prometheus]", '[prometheus]\nmode = "embedded"')
    as_root = 'mode = "on"\nrun_as = "root"\ntrust_user_files = true'
    made.config.write_text(text.replace("[helper]", f"[helper]\n{as_root}"))
    yield made
    made.run("down", code=None)
    made.assert_gone()


@pytest.fixture
def terminal(stack: UsersStack) -> Iterator[pexpect.spawn]:
    program, *words = stack.command("up", "--no-logs")
    spawned = pexpect.spawn(
        program,
        words,
        env={**stack.environment, "NO_COLOR": "1"},
        cwd=str(stack.home),
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 200),
    )
    yield spawned
    spawned.close(force=True)


def listeners(stack: UsersStack) -> set[int]:
    """Whose processes listen on the stack's ports."""
    return {
        psutil.Process(each.pid).uids().effective
        for each in psutil.net_connections("tcp")
        if each.laddr.port in stack.ports.values() and not each.raddr
    }


def stop(terminal: pexpect.spawn) -> None:
    terminal.sendintr()
    terminal.expect("All stopped")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 130


@pytest.mark.fault(33)
def test_a_password_is_asked_for_once_in_front_of_everything_else(stack, terminal):
    stack.allow("PASSWD")
    terminal.expect_exact(WHY)
    terminal.expect_exact(f"[ollamon] password for {stack.user.name}: ")
    # Nothing runs yet, and sudo is not stopped by the terminal.
    assert "ready" not in terminal.before
    below = psutil.Process(terminal.pid).children(recursive=True)
    assert [each.name() for each in below] == ["sudo"]
    assert below[0].status() != psutil.STATUS_STOPPED
    terminal.sendline(PASSWORD)
    terminal.expect("All ready")
    assert "password" not in terminal.before
    assert WITHOUT not in terminal.before
    assert stack.helper().name() == "sudo"
    stop(terminal)


@pytest.mark.fault(33)
def test_a_wrong_password_leaves_the_stack_without_root(stack, terminal):
    stack.allow("PASSWD")
    for _ in range(3 if FULL else 1):
        terminal.expect_exact("[ollamon] password for ")
        terminal.sendline("wrong")
    terminal.expect_exact(f"{WITHOUT}: no password was given")
    terminal.expect_exact("→ ollamon helper install")
    terminal.expect("All ready")
    assert "password for" not in terminal.before
    assert stack.helper().name() != "sudo"
    stop(terminal)


@pytest.mark.fault(33)
def test_without_a_terminal_nobody_is_asked_and_the_stack_runs(stack):
    # A second rule, which is free, makes `sudo -l` say yes to the first one.
    stack.allow("PASSWD", "USER ALL=(root) NOPASSWD: /usr/bin/true")
    process = subprocess.Popen(
        stack.command("up", "--no-logs"),
        env=stack.environment,
        cwd=stack.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        lines = iter(process.stdout.readline, "")
        said = "".join(takewhile(lambda line: "All ready" not in line, lines))
        process.terminate()
        process.stdout.read()
    assert process.returncode == 0
    assert f"{WITHOUT}: a password is required" in re.sub(r"\s+", " ", said)
    assert "→ ollamon helper install" in said


@pytest.mark.fault(33)
def test_in_the_background_it_explains_itself(stack):
    stack.allow("PASSWD")
    said = re.sub(r"\s+", " ", stack.up())
    assert f"{WITHOUT}: a password is required; in the background nobody can give one" in said
    assert "→ ollamon helper install" in said
    assert stack.helper().name() != "sudo"
    assert listeners(stack) == {stack.user.uid}
    # It is found out anew, and it is the same.
    plan = json.loads(stack.run("reload", "--dry-run", "--json"))["plan"]
    assert {each["name"]: each["action"] for each in plan}["helper"] == "keep"


@pytest.mark.fault(33)
def test_a_password_that_sudo_remembers_counts_for_this_terminal_alone(stack):
    stack.allow("PASSWD")
    rehearse = [shlex.join(stack.command("up", *more, "--dry-run")) for more in ((), ("-d",))]
    ask = shlex.join((*as_user(uid=stack.user.uid), "sudo", "-v", "-p", "who? "))
    script = " && echo ---- && ".join([ask, *rehearse])
    said = pexpect.run(
        "/bin/sh",
        args=["-c", script],
        events={"who\\? ": f"{PASSWORD}\n"},
        env={**stack.environment, "NO_COLOR": "1"},
        cwd=str(stack.home),
        encoding="utf-8",
    )
    _, here, background = said.split("----")
    assert (WITHOUT in here, sudo.PROGRAM in here) == (False, True)
    assert (WITHOUT in background, sudo.PROGRAM in background) == (True, False)


@pytest.mark.fault(34, 35)
def test_what_is_allowed_runs_as_root_and_what_was_changed_does_not(stack):
    stack.allow("NOPASSWD")
    assert WITHOUT not in stack.up()
    assert stack.helper().name() == "sudo"
    helper = until(lambda: stack.helper().children(recursive=True)[-1:], "sudo runs it")[0]
    assert helper.uids().effective == stack.user.uid
    assert listeners(stack) == {stack.user.uid}
    stack.run("down")
    assert sudo.PROGRAM in stack.run("up", "--dry-run")
    stack.user.allow(stack.user.rules.read_text().replace("--lifeline", "--other"))
    said = stack.run("up", "--dry-run")
    assert WITHOUT in said
    assert sudo.PROGRAM not in said


@pytest.mark.fault(34)
def test_files_that_somebody_else_can_change_never_run_as_root(stack):
    stack.allow("NOPASSWD")
    text = stack.config.read_text().replace("trust_user_files = true", "")
    stack.config.write_text(text)
    folder = stack.user.folder
    folder.chmod(0o777)
    said = re.sub(r"\s+", " ", stack.run("up", "--dry-run"))
    assert f"{WITHOUT}: {folder} can be changed without being root" in said
    assert sudo.PROGRAM not in said
