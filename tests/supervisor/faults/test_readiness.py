"""When a child counts as ready, and what silence means; whose silence it was."""

import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ollamon.supervisor.spec import Restart, Rhythm
from tests.supervisor.harness import (
    FULL,
    QUICK,
    Running,
    foreign,
    free_port,
    service,
    until,
)

SLACK_S = 20.0


def rhythm_of(scale: float) -> Rhythm:
    """The default one, in a smaller scale."""
    whole = Rhythm()
    return Rhythm(
        interval_s=whole.interval_s * scale, live_interval_s=whole.live_interval_s * scale
    )


def test_the_default_rhythm_keeps_the_promises():
    whole = Rhythm()
    assert whole.interval_s * whole.unwell_after <= 15.0
    assert whole.live_interval_s * whole.dead_after <= 60.0


def is_replaying(stack: Running) -> bool:
    child = stack.child("engine")
    return child.health is not None and child.health.detail.startswith("503")


@pytest.mark.fault(4)
def test_an_engine_that_is_killed_while_it_replays_is_not_ready_before_it_says_so(stacks):
    file, port = stacks.folder / "replayed", free_port()
    stack = stacks.start(
        foreign("engine", port, "--slow", str(file), restart=Restart(0.01, give_up=99)),
        service("dashboard", after=("engine",)),
    )
    stack.wait_for("engine", "starting")
    until(lambda: is_replaying(stack), "it replays")
    first = stack.pid_of("engine")
    os.kill(first, signal.SIGKILL)
    stack.wait_for("engine", "backoff")
    until(lambda: is_replaying(stack), "it replays again")
    assert stack.pid_of("engine") != first
    assert (stack.child("engine").state, stack.child("dashboard").state) == ("starting", "pending")
    file.touch()
    stack.ready()
    history = stack.history()
    assert history.index("engine:ready") < history.index("dashboard:starting")


@pytest.mark.fault(13)
@pytest.mark.timeout(300)
def test_a_hang_is_noticed_and_ended_within_the_promise(stacks):
    """With OLLAMON_FULL the real fifteen and sixty seconds."""
    scale = 1.0 if FULL else 0.05
    flags = ("--watchdog", "1") if FULL else ()
    stack = stacks.start(
        service("proxy", *flags, rhythm=rhythm_of(scale), stop_timeout_s=0.2, restart=QUICK)
    ).ready()
    began, seen = time.time(), len(stack.events)
    os.kill(stack.pid_of("proxy"), signal.SIGSTOP)
    stack.patience_s = 90.0
    degraded = stack.wait_for("proxy", "degraded", after=seen)
    stopping = stack.wait_for("proxy", "stopping", after=seen)
    stack.wait_for("proxy", "ready", after=seen)
    assert degraded.t - began <= 15 * scale + SLACK_S
    assert stopping.t - began <= 60 * scale + SLACK_S
    # The first look was one interval before, at the latest.
    assert stopping.t - began >= 50 * scale
    assert stack.child("proxy").last_exit == "signal 9"


@pytest.mark.fault(14)
def test_a_child_that_hangs_for_a_short_while_is_not_restarted(stacks):
    scale = 1.0 if FULL else 0.3
    stack = stacks.start(service("proxy", rhythm=rhythm_of(scale))).ready()
    pid, seen = stack.pid_of("proxy"), len(stack.events)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(5 * scale)
    os.kill(pid, signal.SIGCONT)
    until(lambda: (health := stack.child("proxy").health) and health.age_s < scale, "it lives")
    assert stack.pid_of("proxy") == pid
    assert stack.stop() == 0
    assert "starting" not in [event.state for event in stack.events[seen:]]


@pytest.mark.fault(15)
@pytest.mark.timeout(300)
def test_a_supervisor_that_slept_alone_blames_neither_kind_of_child(stacks):
    rhythm, asleep_s = (Rhythm(), 60.0) if FULL else (Rhythm(interval_s=0.8), 4.0)
    stack = stacks.start(
        service("proxy", rhythm=rhythm), foreign("engine", free_port(), rhythm=rhythm)
    ).ready()
    seen = len(stack.events)
    stack.signal(signal.SIGSTOP)
    time.sleep(asleep_s)
    stack.signal(signal.SIGCONT)
    woke = time.monotonic()

    def was_looked_at() -> bool:
        """Both, since it woke up."""
        ages = [child.health.age_s for child in stack.status().children if child.health]
        return len(ages) == 2 and max(ages) < time.monotonic() - woke

    until(was_looked_at, "fresh looks at both")
    assert [child.restarts for child in stack.status().children] == [0, 0]
    assert stack.stop() == 0
    assert not {"degraded", "backoff"} & {event.state for event in stack.events[seen:]}


class Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.fault(18)
def test_a_stranger_who_answers_on_the_port_makes_nobody_ready(stacks):
    port = free_port()
    stack = stacks.start(foreign("engine", port, restart=Restart(initial_s=2.0))).ready()
    seen = len(stack.events)
    os.kill(stack.pid_of("engine"), signal.SIGKILL)
    # The first end has no pause in which a stranger could come.
    stack.wait_for("engine", "ready", after=seen)
    seen = len(stack.events)
    os.kill(stack.pid_of("engine"), signal.SIGKILL)
    stack.wait_for("engine", "backoff", after=seen)
    with ThreadingHTTPServer(("127.0.0.1", port), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            failed = stack.wait_for("engine", "failed", after=seen)
        finally:
            server.shutdown()
            thread.join()
    assert failed.detail.startswith(f"127.0.0.1:{port} is in use by pid {os.getpid()} ")
    assert "ready" not in [event.state for event in stack.events[seen:] if event.child]
