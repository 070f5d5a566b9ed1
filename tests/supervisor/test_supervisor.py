"""The engine with real processes: what fails, and what must be left of it (supervisor.md, 3).

With the supervisor itself it runs ollamon.supervisor.keeper, ollamon.supervisor.child,
ollamon.supervisor.groundwork, ollamon.supervisor.reaper and ollamon.supervisor.guard_link.
"""

import fcntl
import os
import pickle
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ollamon.errors import ControlError, NotRunningError
from ollamon.supervisor import control, runfile, state
from ollamon.supervisor.guard import GRACE_S
from ollamon.supervisor.spec import HttpProbe, Listen, Restart, Rhythm
from tests.supervisor.harness import (
    Stacks,
    carriers,
    fetch,
    foreign,
    free_port,
    guard_of,
    is_alive,
    listens,
    nothing_is_left,
    service,
    until,
    words,
)

LINUX = sys.platform == "linux"
RHYTHM = Rhythm(
    start_interval_s=0.01,
    interval_s=0.3,
    timeout_s=5.0,
    unwell_after=3,
    well_after=2,
    live_interval_s=0.4,
    live_timeout_s=5.0,
    dead_after=5,
)


@pytest.mark.fault(1, 19)
def test_three_children_become_ready_and_stop_in_reverse_order(stacks: Stacks) -> None:
    port = free_port()
    stack = stacks.start(
        service("proxy", port=port),
        service("engine", after=("proxy",)),
        service("dashboard", after=("engine", "proxy")),
    ).ready()
    run_id = stack.status().run_id
    assert [child.state for child in stack.status().children] == ["ready"] * 3
    starts = [event.child for event in stack.events if event.state == "ready" and event.child]
    assert starts == ["proxy", "engine", "dashboard"]
    assert fetch(port) == str(stack.pid_of("proxy"))

    assert stack.stop() == 0

    # Each is asked only when the one before is down.
    assert stack.history()[-8:] == [
        ":stopping",
        *("dashboard:stopping", "dashboard:stopped", "engine:stopping", "engine:stopped"),
        *("proxy:stopping", "proxy:stopped", ":stopped"),
    ]
    nothing_is_left(run_id, port)
    assert not (stack.runtime / "run.json").exists()
    assert not (stack.runtime / "ctl.sock").exists()


@pytest.mark.fault(2)
def test_a_killed_child_serves_again_and_the_others_are_untouched(stacks: Stacks) -> None:
    port = free_port()
    stack = stacks.start(service("proxy", port=port), service("engine")).ready()
    proxy, engine = stack.pid_of("proxy"), stack.pid_of("engine")
    seen = len(stack.events)

    os.kill(proxy, signal.SIGKILL)
    backoff = stack.wait_for("proxy", "backoff", after=seen)
    stack.wait_for("proxy", "ready", after=seen)

    assert "signal 9" in backoff.detail
    now = stack.child("proxy")
    assert (now.restarts, now.last_exit) == (1, "signal 9")
    assert fetch(port) == str(now.pid) != str(proxy)
    assert stack.pid_of("engine") == engine


def test_connections_wait_while_the_child_restarts(stacks: Stacks) -> None:
    port = free_port()
    stack = stacks.start(
        service("proxy", port=port, restart=Restart(initial_s=0.2, factor=1.0, give_up=99))
    ).ready()
    answers: list[str] = []
    failures: list[OSError] = []
    is_over = threading.Event()

    def load() -> None:
        while not is_over.is_set():
            try:
                answers.append(fetch(port))
            except ConnectionResetError:
                # In flight when the child was killed.
                continue
            except OSError as error:
                failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(5):
            seen, before = len(stack.events), len(answers)
            os.kill(stack.pid_of("proxy"), signal.SIGKILL)
            stack.wait_for("proxy", "ready", after=seen)
            until(lambda before=before: len(answers) > before + 1, "an answer of the next one")
    finally:
        is_over.set()
        thread.join()
    assert failures == []


@pytest.mark.fault(5)
def test_a_child_that_never_becomes_ready_backs_off_and_is_given_up(stacks: Stacks) -> None:
    stack = stacks.start(service("bad", "--crash", "1"), service("good"))
    failed = stack.wait_for("bad", "failed")
    verdict = stack.wait_for("", "degraded")
    # An exit before the first readiness counts double: three of the six.
    assert stack.history("bad") == ["starting", "backoff"] * 2 + ["starting", "failed"]
    assert failed.detail == "exit 1; given up after 3 tries"
    assert verdict.detail.startswith("bad is failed (exit 1")
    assert stack.child("good").state == "ready"
    assert stack.child("bad").tail[-1] == "leaving with 1"


def test_a_child_that_crashes_when_ready_is_given_up_at_the_sixth_exit(stacks: Stacks) -> None:
    stack = stacks.start(service("bad"), service("good")).ready()
    for number in range(6):
        seen = len(stack.events)
        os.kill(stack.pid_of("bad"), signal.SIGKILL)
        stack.wait_for("bad", "failed" if number == 5 else "ready", after=seen)
    assert stack.child("bad").restarts == 5
    assert stack.child("good").restarts == 0


def test_an_essential_child_that_fails_fails_the_stack(stacks: Stacks) -> None:
    stack = stacks.start(service("bad", "--crash", "78", is_essential=True))
    stack.wait_for("", "failed")
    assert stack.status().state == "failed"


@pytest.mark.parametrize("code", [78, 98])
@pytest.mark.fault(8)
def test_an_exit_that_no_second_try_can_mend_fails_at_once(stacks: Stacks, code: int) -> None:
    stack = stacks.start(service("bad", "--crash", str(code)))
    failed = stack.wait_for("bad", "failed")
    assert stack.history("bad") == ["starting", "failed"]
    assert failed.detail.startswith(f"exit {code}")


def test_a_failed_child_closes_its_sockets(stacks: Stacks) -> None:
    port = free_port()
    stack = stacks.start(service("bad", "--crash", "78", port=port))
    stack.wait_for("bad", "failed")
    assert not listens(port)


@pytest.mark.fault(6)
def test_a_failed_child_comes_back_by_itself_with_counters_at_zero(stacks: Stacks) -> None:
    cure = stacks.folder / "cure"
    restart = Restart(initial_s=0.01, retry_s=0.2)
    flags = ("--crash", "1", "--unless", str(cure))
    port = free_port()
    stack = stacks.start(service("bad", *flags, port=port, restart=restart))
    stack.wait_for("bad", "failed")
    cure.touch()
    stack.wait_for("bad", "ready")
    assert fetch(port) == str(stack.pid_of("bad"))


@pytest.mark.fault(6)
def test_a_restart_by_request_mends_a_failed_child_at_once(stacks: Stacks) -> None:
    cure = stacks.folder / "cure"
    stack = stacks.start(service("bad", "--crash", "1", "--unless", str(cure)))
    stack.wait_for("bad", "failed")
    cure.touch()
    control.ask(stack.runtime, "restart", {"child": "bad"})
    stack.wait_for("bad", "ready")


def test_a_restart_by_request_does_not_wait(stacks: Stacks) -> None:
    slow = Restart(initial_s=600.0, max_s=600.0)
    stack = stacks.start(service("one", restart=slow)).ready()
    first, seen = stack.pid_of("one"), len(stack.events)
    control.ask(stack.runtime, "restart", {"child": "one"})
    stack.wait_for("one", "ready", after=seen)
    assert stack.pid_of("one") != first
    assert "backoff" not in stack.history("one")


@pytest.mark.fault(43)
def test_a_restart_by_request_ends_the_pause_and_is_not_doubled_by_it(stacks: Stacks) -> None:
    stack = stacks.start(service("one", restart=Restart(initial_s=0.3))).ready()
    seen = len(stack.events)
    os.kill(stack.pid_of("one"), signal.SIGKILL)
    # The first end has no pause, the second has.
    stack.wait_for("one", "ready", after=seen)
    seen = len(stack.events)
    os.kill(stack.pid_of("one"), signal.SIGKILL)
    stack.wait_for("one", "backoff", after=seen)
    control.ask(stack.runtime, "restart", {"child": "one"})
    stack.wait_for("one", "ready", after=seen)
    pid = stack.pid_of("one")
    # Longer than the pause that was cut short: its timer must find nothing to do.
    time.sleep(0.5)
    assert stack.pid_of("one") == pid
    assert stack.child("one").restarts == 2


def test_a_restart_of_an_unknown_child_is_refused(stacks: Stacks) -> None:
    stack = stacks.start(service("one")).ready()
    with pytest.raises(ControlError, match="there is one"):
        control.ask(stack.runtime, "restart", {"child": "two"})


@pytest.mark.fault(10)
def test_a_child_that_is_not_ready_in_time_is_stopped_and_tried_again(stacks: Stacks) -> None:
    file, trace = stacks.folder / "ready", stacks.folder / "trace"
    stack = stacks.start(
        service("slow", "--slow", str(file), "--trace", str(trace), start_timeout_s=1.5),
        service("late", after=("slow",)),
    )
    stack.wait_for("slow", "backoff")
    file.touch()
    stack.wait_for("slow", "ready")
    stack.ready()
    assert words(trace)[:3] == ["START", "TERM", "START"]


def test_the_verdict_comes_at_the_start_timeout_of_the_stack(stacks: Stacks) -> None:
    stack = stacks.start(service("slow", "--slow", "/nonexistent"), start_timeout_s=1.0)
    event = stack.wait_for("", "degraded")
    assert event.detail == "not all ready within 1 s: slow is starting"
    assert stack.child("slow").state == "starting"


def test_a_foreign_program_is_ready_when_its_probe_says_so(stacks: Stacks) -> None:
    file, port = stacks.folder / "ready", free_port()
    url = f"http://127.0.0.1:{port}/-/ready"
    stack = stacks.start(
        foreign("engine", port, "--slow", str(file), probe=HttpProbe(url, url), rhythm=RHYTHM)
    )
    stack.wait_for("engine", "starting")
    until(
        lambda: (health := stack.child("engine").health) and "503: /-/ready" in health.detail,
        "a probe was answered 503",
    )
    assert stack.child("engine").state == "starting"
    file.touch()
    stack.ready()


@pytest.mark.fault(12)
def test_lost_readiness_degrades_without_restart_and_comes_back(stacks: Stacks) -> None:
    hang, port = stacks.folder / "hang", free_port()
    stack = stacks.start(
        foreign(
            "engine",
            port,
            *("--hang", str(hang)),
            # Liveness fails too here, but never often enough.
            rhythm=Rhythm(0.01, 0.05, 5.0, 3, 2, 600.0, 5.0, 6),
        )
    ).ready()
    pid, seen = stack.pid_of("engine"), len(stack.events)
    hang.touch()
    assert "503" in stack.wait_for("engine", "degraded", after=seen).detail
    assert stack.status().state == "degraded"
    hang.unlink()
    stack.wait_for("engine", "ready", after=seen)
    assert stack.pid_of("engine") == pid


def test_a_foreign_program_without_liveness_is_restarted(stacks: Stacks) -> None:
    hang, port = stacks.folder / "hang", free_port()
    stack = stacks.start(
        foreign(
            "engine",
            port,
            *("--hang", str(hang)),
            rhythm=Rhythm(0.01, 600.0, 5.0, 3, 2, 0.05, 5.0, 3),
        )
    ).ready()
    seen = len(stack.events)
    hang.touch()
    assert "not alive" in stack.wait_for("engine", "stopping", after=seen).detail
    hang.unlink()
    stack.wait_for("engine", "ready", after=seen)


@pytest.mark.fault(13)
def test_a_child_whose_loop_hangs_is_degraded_and_then_restarted(stacks: Stacks) -> None:
    stack = stacks.start(service("proxy", rhythm=RHYTHM, stop_timeout_s=0.2)).ready()
    pid, seen = stack.pid_of("proxy"), len(stack.events)
    os.kill(pid, signal.SIGSTOP)
    assert "no sign of life" in stack.wait_for("proxy", "degraded", after=seen).detail
    stack.wait_for("proxy", "stopping", after=seen)
    # SIGTERM is not taken by a stopped process: the deadline ends it.
    stack.wait_for("proxy", "ready", after=seen)
    assert stack.child("proxy").last_exit == "signal 9"


def test_a_short_hang_only_degrades(stacks: Stacks) -> None:
    hang = stacks.folder / "hang"
    rhythm = Rhythm(0.01, 0.3, 5.0, 3, 2, 600.0, 5.0, 6)
    stack = stacks.start(service("proxy", "--hang", str(hang), rhythm=rhythm)).ready()
    pid, seen = stack.pid_of("proxy"), len(stack.events)
    hang.touch()
    stack.wait_for("proxy", "degraded", after=seen)
    hang.unlink()
    stack.wait_for("proxy", "ready", after=seen)
    assert stack.pid_of("proxy") == pid


@pytest.mark.fault(15)
def test_a_supervisor_that_was_stopped_itself_blames_no_child(stacks: Stacks) -> None:
    stack = stacks.start(service("proxy", rhythm=RHYTHM)).ready()
    pid, seen = stack.pid_of("proxy"), len(stack.events)
    # As when a whole machine sleeps; the supervisor wakes up first and finds nothing but silence.
    os.kill(pid, signal.SIGSTOP)
    stack.signal(signal.SIGSTOP)
    # Longer than the silence that restarts a child.
    time.sleep(RHYTHM.live_interval_s * RHYTHM.dead_after * 1.5)
    stack.signal(signal.SIGCONT)
    stack.status()
    os.kill(pid, signal.SIGCONT)
    seen_again = stack.child("proxy")
    assert (seen_again.state, seen_again.pid) == ("ready", pid)
    assert stack.stop() == 0
    assert stack.history()[seen:] == [":stopping", "proxy:stopping", "proxy:stopped", ":stopped"]


def test_the_words_of_a_child_are_in_its_status(stacks: Stacks) -> None:
    stack = stacks.start(service("proxy", "--say", "2 streams  open")).ready()
    until(lambda: stack.child("proxy").note == "2 streams open", "the note")
    child = stack.child("proxy")
    assert child.health is not None
    assert child.health.is_ok
    assert child.rss_bytes is not None
    assert child.rss_bytes > 1_000_000


@pytest.mark.fault(22)
def test_three_children_that_ignore_sigterm_die_at_one_deadline(stacks: Stacks) -> None:
    traces = [stacks.folder / name for name in "abc"]
    stack = stacks.start(
        *(
            service(path.name, "--ignterm", "--trace", str(path), stop_timeout_s=1.0)
            for path in traces
        ),
        shutdown_timeout_s=600.0,
    ).ready()
    run_id, seen = stack.status().run_id, len(stack.events)
    assert stack.stop() == 0
    begins = [e.t for e in stack.events[seen:] if e.child and e.state == "stopping"]
    ends = [e.t for e in stack.events[seen:] if e.child and e.state == "stopped"]
    # All were asked before the first was killed: the deadlines run side by side.
    assert len(begins) == len(ends) == 3
    assert max(begins) < min(ends)
    assert min(ends) - min(begins) >= 0.9
    # Not one after the other, which would be three seconds and more.
    assert max(ends) - min(begins) < 2.5
    assert [words(path) for path in traces] == [["START", "READY", "TERM"]] * 3
    nothing_is_left(run_id)


@pytest.mark.fault(23)
def test_a_stop_returns_only_when_a_stubborn_grandchild_is_gone(stacks: Stacks) -> None:
    file = stacks.folder / "grandchild"
    stack = stacks.start(service("leader", "--group", str(file))).ready()
    grandchild = int(file.read_text())
    assert is_alive(grandchild)
    control.ask(stack.runtime, "stop", timeout_s=30)
    assert not is_alive(grandchild)
    assert stack.ended() == 0


def test_a_crash_takes_the_grandchildren_along(stacks: Stacks) -> None:
    file = stacks.folder / "grandchild"
    stack = stacks.start(service("leader", "--group", str(file))).ready()
    grandchild, seen = int(file.read_text()), len(stack.events)
    os.kill(stack.pid_of("leader"), signal.SIGKILL)
    stack.wait_for("leader", "backoff", after=seen)
    assert not is_alive(grandchild)


@pytest.mark.skipif(not LINUX, reason="needs a subreaper")
@pytest.mark.parametrize("end", ["stop", "crash"])
@pytest.mark.fault(24)
def test_a_grandchild_in_a_session_of_its_own_goes_too(stacks: Stacks, end: str) -> None:
    file = stacks.folder / "grandchild"
    stack = stacks.start(service("leader", "--group", str(file), "--setsid")).ready()
    grandchild = int(file.read_text())
    if end == "stop":
        assert stack.stop() == 0
        assert not is_alive(grandchild)
        return
    os.kill(stack.pid_of("leader"), signal.SIGKILL)
    until(lambda: not is_alive(grandchild), "the grandchild is gone")


@pytest.mark.fault(20)
def test_an_interrupt_stops_in_order_and_reaches_no_child(stacks: Stacks) -> None:
    traces = [stacks.folder / name for name in "ab"]
    stack = stacks.start(
        service("a", "--trace", str(traces[0])),
        service("b", "--trace", str(traces[1]), after=("a",)),
    ).ready()
    # What a terminal does: the whole foreground group gets it.
    os.killpg(stack.process.pid, signal.SIGINT)
    assert stack.ended() == 130
    assert [words(path) for path in traces] == [["START", "READY", "TERM"]] * 2
    assert stack.history("b")[-1] == stack.history("a")[-1] == "stopped"


@pytest.mark.fault(21)
def test_a_second_interrupt_kills_at_once(stacks: Stacks) -> None:
    stack = stacks.start(
        service("a"),
        service("b", "--ignterm", after=("a",), stop_timeout_s=600.0),
        shutdown_timeout_s=600.0,
    ).ready()
    run_id = stack.status().run_id
    stack.signal(signal.SIGINT)
    stack.wait_for("b", "stopping")
    began = time.monotonic()
    stack.signal(signal.SIGINT)
    assert stack.ended() == 130
    # Killing and reaping take 200 ms on a quiet machine; the stop timeouts are 600 s.
    assert time.monotonic() - began < 2.0
    nothing_is_left(run_id)


def test_what_is_left_at_the_shutdown_timeout_is_killed(stacks: Stacks) -> None:
    stack = stacks.start(
        service("a", "--ignterm", stop_timeout_s=600.0),
        service("b", "--ignterm", after=("a",), stop_timeout_s=600.0),
        shutdown_timeout_s=0.5,
    ).ready()
    run_id = stack.status().run_id
    assert stack.stop() == 0
    nothing_is_left(run_id)


def test_the_stop_tells_whom_it_waits_for(stacks: Stacks) -> None:
    stack = stacks.start(
        service("a", "--ignterm", "--say", "2 streams open", stop_timeout_s=2.5)
    ).ready()
    until(lambda: stack.child("a").note, "the note")
    assert stack.stop() == 0
    details = [event.detail for event in stack.events if not event.child]
    assert "waiting for a: 2 streams open (1 s of 2.5 s)" in details


@pytest.mark.fault(42)
def test_a_stop_during_the_start_leaves_nothing(stacks: Stacks) -> None:
    stack = stacks.start(service("a", "--slow", "/nonexistent"), service("b", after=("a",)))
    stack.wait_for("a", "starting")
    run_id = stack.status().run_id
    assert stack.stop() == 0
    assert stack.history("b") == ["stopped"]
    nothing_is_left(run_id)


@pytest.mark.fault(43)
def test_a_stop_beats_a_restart_in_flight(stacks: Stacks) -> None:
    trace = stacks.folder / "trace"
    stack = stacks.start(
        service("a", "--trace", str(trace), restart=Restart(initial_s=0.2))
    ).ready()
    seen = len(stack.events)
    os.kill(stack.pid_of("a"), signal.SIGKILL)
    stack.wait_for("a", "backoff", after=seen)
    assert stack.stop() == 0
    assert words(trace).count("START") == 1


@pytest.mark.fault(29)
def test_a_closed_terminal_stops_everything(stacks: Stacks) -> None:
    leader, follower = os.openpty()
    stack = stacks.start_spec(
        stacks.spec(service("a")),
        preexec_fn=lambda: _take_terminal(follower),
        stderr=follower,
    )
    os.close(follower)
    stack.ready()
    run_id = stack.status().run_id
    os.close(leader)
    stack.ended()
    nothing_is_left(run_id)


@pytest.mark.fault(29)
def test_a_closed_terminal_stops_nothing_when_told_so(stacks: Stacks) -> None:
    leader, follower = os.openpty()
    stack = stacks.start_spec(
        stacks.spec(service("a", "--print", "hello"), keeps_without_terminal=True),
        # It shows the children's lines on the terminal that goes away.
        console=os.ttyname(follower),
        preexec_fn=lambda: _take_terminal(follower),
        stderr=follower,
    )
    os.close(follower)
    stack.ready()
    before = stack.pid_of("a")
    os.close(leader)
    # The hang-up comes before any later signal.
    os.kill(before, signal.SIGKILL)
    until(
        lambda: stack.child("a").restarts == 1 and stack.child("a").state == "ready", "it is back"
    )
    assert stack.status().state == "ready"
    assert stack.stop() == 0
    assert stack.history("").count("stopping") == 1


def _take_terminal(descriptor: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def test_a_hangup_without_a_terminal_changes_nothing(stacks: Stacks) -> None:
    stack = stacks.start(service("a")).ready()
    stack.signal(signal.SIGHUP)
    assert stack.status().state == "ready"
    assert stack.stop() == 0


@pytest.mark.fault(25)
def test_nothing_survives_a_killed_supervisor(stacks: Stacks) -> None:
    ports = [free_port(), free_port()]
    file = stacks.folder / "grandchild"
    stack = stacks.start(
        service("own", port=ports[0]),
        foreign("foreign", ports[1]),
        service("leader", "--group", str(file)),
        service("stubborn", "--ignterm"),
    ).ready()
    run_id = stack.status().run_id
    # Four children, a grandchild and the guard.
    assert len(carriers(run_id)) == 6
    stack.signal(signal.SIGKILL)
    stack.ended()
    nothing_is_left(run_id, *ports)


@pytest.mark.fault(26)
def test_the_guard_is_replaced_and_does_its_work(stacks: Stacks) -> None:
    file = stacks.folder / "grandchild"
    stack = stacks.start(service("leader", "--group", str(file))).ready()
    run_id = stack.status().run_id
    (first,) = guard_of(run_id)
    os.kill(first, signal.SIGKILL)
    until(lambda: [pid for pid in guard_of(run_id) if pid != first], "another guard")
    stack.signal(signal.SIGKILL)
    stack.ended()
    nothing_is_left(run_id)


@pytest.mark.fault(27)
def test_the_next_start_sweeps_what_a_killed_run_has_left(stacks: Stacks) -> None:
    file = stacks.folder / "grandchild"
    port = free_port()
    # On Linux the kernel ends the stubborn one, which hears neither SIGTERM nor its lifeline.
    stubborn = [service("stubborn", "--ignterm")] if LINUX else []
    stack = stacks.start(service("leader", "--group", str(file), port=port), *stubborn).ready()
    run_id, (guard,) = stack.status().run_id, guard_of(stack.status().run_id)
    # Neither may do its work: the guard dies with the supervisor.
    stack.signal(signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    stack.signal(signal.SIGKILL)
    stack.ended()
    grandchild = int(file.read_text())
    until(lambda: carriers(run_id) == [grandchild], "the grandchild alone is left")

    (leftover,) = state.leftovers(stack.runtime)
    assert (leftover.pid, leftover.run_id) == (grandchild, run_id)
    with pytest.raises(NotRunningError):
        control.ask(stack.runtime, "status")
    second = stacks.again(stack).ready()
    assert not is_alive(grandchild)
    assert f"pid {grandchild}" in second.wait_for("", "swept").detail
    assert second.stop() == 0


@pytest.mark.fault(16)
def test_a_taken_port_is_refused_with_its_owner_and_nothing_starts(stacks: Stacks) -> None:
    trace = stacks.folder / "trace"
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        stack = stacks.start_spec(
            stacks.spec(service("a", "--trace", str(trace), port=port)), stderr=subprocess.PIPE
        )
        assert stack.ended() == 6
    assert stack.process.stderr is not None
    text = stack.process.stderr.read().decode()
    assert f"127.0.0.1:{port} is in use, wanted by a" in text
    assert f"pid {os.getpid()}" in text
    assert not trace.exists()


@pytest.mark.fault(17)
def test_a_port_taken_between_crash_and_restart_is_told_with_its_owner(stacks: Stacks) -> None:
    port = free_port()
    listen = Listen("listen", "127.0.0.1", port, "a.listen", held=False)
    stack = stacks.start(
        service("a", "--port", str(port), listens=(listen,), restart=Restart(initial_s=0.5))
    ).ready()
    seen = len(stack.events)
    os.kill(stack.pid_of("a"), signal.SIGKILL)
    stack.wait_for("a", "backoff", after=seen)
    with socket.create_server(("127.0.0.1", port)):
        failed = stack.wait_for("a", "failed", after=seen)
    assert failed.detail.startswith("exit 98")
    assert f"127.0.0.1:{port} is in use by pid {os.getpid()}" in failed.detail
    control.ask(stack.runtime, "restart", {"child": "a"})
    stack.wait_for("a", "ready", after=seen)


@pytest.mark.fault(9)
def test_a_program_that_vanished_fails_without_a_loop(stacks: Stacks) -> None:
    program = stacks.folder / "program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    spec = service("a")
    spec = replace(spec, argv=(str(program), *spec.argv[1:]))
    stack = stacks.start(spec).ready()
    seen = len(stack.events)
    program.unlink()
    os.kill(stack.pid_of("a"), signal.SIGKILL)
    failed = stack.wait_for("a", "failed", after=seen)
    assert failed.detail == f"cannot start {program}: No such file or directory"
    assert stack.status().pid == stack.process.pid


def test_files_are_written_before_the_first_start_for_this_user_alone(stacks: Stacks) -> None:
    path = stacks.folder / "data" / "engine.yml"
    stack = stacks.start(service("engine", files={path: "a: 1\n"})).ready()
    assert path.read_text() == "a: 1\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert stack.stop() == 0


def test_two_stacks_do_not_share_data(stacks: Stacks) -> None:
    lock = stacks.folder / "data" / "lock"
    first = stacks.start(service("engine", data_lock=lock)).ready()
    second = stacks.start_spec(
        stacks.spec(
            service("engine", data_lock=lock), name="two", runtime=stacks.folder / "run" / "two"
        ),
        stderr=subprocess.PIPE,
    )
    assert second.ended() == 4
    assert second.process.stderr is not None
    message = second.process.stderr.read().decode()
    assert f"another stack uses {lock}, pid {first.process.pid}" in message
    assert first.stop() == 0


def test_run_json_says_who_runs(stacks: Stacks) -> None:
    port = free_port()
    stack = stacks.start(service("a", port=port)).ready()
    run = runfile.read(stack.runtime)
    assert run is not None
    assert run.pid == stack.process.pid
    (child,) = run.children
    assert (child.name, child.pid, child.ports) == ("a", stack.pid_of("a"), (port,))
    assert (stack.runtime / "run.json").stat().st_mode & 0o777 == 0o600


def test_a_flood_of_lines_blocks_neither_child_nor_status(stacks: Stacks) -> None:
    console = stacks.folder / "console"
    stack = stacks.start(service("a", "--flood", "200000"), service("b"), console=str(console))
    stack.wait_for("a", "starting")
    assert stack.status().pid == stack.process.pid
    stack.ready()
    logs = sorted(path.name for path in (stacks.folder / "logs").iterdir())
    assert logs[:2] == ["a.log", "a.log.1"]
    assert all(path.stat().st_size <= 10_000_000 for path in (stacks.folder / "logs").iterdir())


def test_a_terminal_that_nobody_reads_blocks_nobody(stacks: Stacks) -> None:
    read_end, write_end = os.pipe()
    spec = stacks.spec(service("a", "--flood", "100000"))
    # Events go there too, so the harness cannot be told; the socket can.
    path = stacks.folder / "spec"
    path.write_bytes(pickle.dumps(spec))
    drive = Path(__file__).parent / "drive.py"
    with subprocess.Popen(
        [sys.executable, "-I", str(drive), str(path), f"/dev/fd/{write_end}"],
        pass_fds=[write_end],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        os.close(write_end)
        try:
            until(lambda: _is_ready(spec.runtime), "ready in spite of the full pipe")
            control.ask(spec.runtime, "stop", timeout_s=30)
        finally:
            process.terminate()
    os.close(read_end)


def _is_ready(runtime: Path) -> bool:
    try:
        return bool(control.ask(runtime, "status", timeout_s=30)["state"] == "ready")
    except NotRunningError:
        return False


def test_lines_of_children_have_their_names_before_them(stacks: Stacks) -> None:
    stack = stacks.start(service("proxy", "--print", "hello"), console="-").ready()
    assert stack.stop() == 0
    assert "proxy      │ hello" in stack.other_lines
    assert (stacks.folder / "logs" / "proxy.log").read_text() == "hello\n"


def test_descriptors_do_not_grow_with_restarts(stacks: Stacks) -> None:
    port = free_port()
    stack = stacks.start(service("a", port=port)).ready()
    process = psutil.Process(stack.process.pid)

    def restart() -> None:
        seen = len(stack.events)
        control.ask(stack.runtime, "restart", {"child": "a"})
        stack.wait_for("a", "ready", after=seen)

    restart()
    before = process.num_fds()
    for _ in range(5):
        restart()
    until(lambda: process.num_fds() <= before, "no descriptor more")
    assert process.num_threads() == 1


def test_the_guards_grace_is_within_the_promise() -> None:
    assert GRACE_S <= 5.0


def test_a_failed_child_ends_the_stack_where_that_is_wished(stacks: Stacks) -> None:
    file = stacks.folder / "now"
    ends = Restart(ends_stack=True, give_up=1, retry_s=None)
    stack = stacks.start(service("a"), service("b", "--crash-on", str(file), restart=ends)).ready()
    run_id = stack.status().run_id
    file.touch()
    assert stack.ended() == 1
    assert stack.wait_for("", "failed").detail == "b exit 1; given up after 1 tries"
    assert stack.history("a")[-1] == "stopped"
    nothing_is_left(run_id)


@pytest.mark.fault(27)
def test_a_start_beside_leftovers_is_refused_where_that_is_wished(stacks: Stacks) -> None:
    spec = stacks.spec(foreign("a", free_port()))
    stack = stacks.start_spec(spec, flags=["--no-pdeathsig"]).ready()
    pid, (guard,) = stack.pid_of("a"), guard_of(stack.status().run_id)
    # Neither may do its work: the guard dies with the supervisor.
    stack.signal(signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    stack.signal(signal.SIGKILL)
    stack.ended()
    refused = stacks.start_spec(replace(spec, orphans="refuse"), stderr=subprocess.PIPE)
    assert refused.ended() == 9
    assert refused.process.stderr is not None
    said = refused.process.stderr.read().decode()
    assert said == f"leftovers: cannot start beside what a dead run has left: a pid {pid}\n"
    assert is_alive(pid)
    assert stacks.again(stack).ready().stop() == 0
    assert not is_alive(pid)
