"""Restarts: their pauses, what many of them cost, and what keeps one from happening."""

import itertools
import os
import signal
import subprocess
import time
from dataclasses import replace

import psutil
import pytest

from ollamon.supervisor import control
from ollamon.supervisor.spec import Restart
from tests.supervisor.faults.users import UID, as_user, needs_root
from tests.supervisor.harness import FULL, Running, service, until, zombies_of

RESTARTS = 500 if FULL else 12
WARM = 30 if FULL else 2
# Of processes and threads; the stack needs four.
MOST = 8


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@pytest.mark.fault(5)
def test_pauses_double_and_a_crash_loop_costs_next_to_nothing(stacks):
    initial_s = 0.2 if FULL else 0.05
    # Each end before the first readiness counts double.
    restart = Restart(initial_s=initial_s, give_up=12)
    stack = stacks.start(service("bad", "--crash", "1", restart=restart), service("good"))
    stack.wait_for("good", "ready")
    before = cpu_s(stack.process.pid)
    failed = stack.wait_for("bad", "failed")
    spent_s = cpu_s(stack.process.pid) - before
    bad = [event for event in stack.events if event.child == "bad"]
    assert [event.state for event in bad] == ["starting", "backoff"] * 5 + ["starting", "failed"]
    pauses = [
        after.t - event.t for event, after in itertools.pairwise(bad) if event.state == "backoff"
    ]
    for number, pause in enumerate(pauses):
        wanted = initial_s * 2**number
        assert wanted * 0.89 <= pause <= wanted * 1.11 + 2.0
    assert failed.detail == "exit 1; given up after 6 tries"
    assert stack.child("good").state == "ready"
    # Starting a process is all it does.
    assert spent_s / 6 < 0.1


@pytest.mark.fault(7)
def test_deaths_after_a_long_life_are_mended_at_once_and_for_ever(stacks):
    """A hundredth of forty seconds, thirty seconds and two minutes."""
    restart = Restart(initial_s=600.0, max_s=600.0, stable_after_s=0.3, within_s=1.2, give_up=6)
    stack = stacks.start(service("proxy", restart=restart)).ready()
    for number in range(8 if FULL else 5):
        time.sleep(0.4)
        seen = len(stack.events)
        os.kill(stack.pid_of("proxy"), signal.SIGKILL)
        assert stack.wait_for("proxy", "backoff", after=seen).detail.endswith("again in 0.0 s")
        stack.wait_for("proxy", "ready", after=seen)
        assert stack.child("proxy").restarts == number + 1
    assert "failed" not in stack.history("proxy")


def restart(stack: Running, times: int) -> None:
    for _ in range(times):
        seen = len(stack.events)
        control.ask(stack.runtime, "restart", {"child": "proxy"}, timeout_s=30)
        stack.wait_for("proxy", "ready", after=seen)


@pytest.mark.fault(44, 45)
@pytest.mark.timeout(900)
def test_many_restarts_cost_no_descriptor_no_memory_and_no_zombie(stacks):
    stack = stacks.start(service("proxy", "--print", "hello")).ready()
    process = psutil.Process(stack.process.pid)
    restart(stack, WARM)
    descriptors, memory = process.num_fds(), process.memory_info().rss
    restart(stack, RESTARTS)
    until(lambda: process.num_fds() <= descriptors, "no descriptor more")
    assert process.memory_info().rss - memory < 3_000_000
    assert zombies_of(process.pid) == []
    assert process.num_threads() == 1
    assert stack.child("proxy").restarts == WARM + RESTARTS


@pytest.mark.fault(46)
def test_a_clock_that_is_set_back_changes_nothing(stacks):
    late = stacks.folder / "late"
    stack = stacks.start_spec(
        stacks.spec(service("proxy", restart=Restart(initial_s=0.2))),
        flags=("--clock-back", str(late)),
    ).ready()
    late.touch()
    seen = len(stack.events)
    os.kill(stack.pid_of("proxy"), signal.SIGKILL)
    backoff = stack.wait_for("proxy", "backoff", after=seen)
    ready = stack.wait_for("proxy", "ready", after=seen)
    assert backoff.t < stack.events[0].t - 3000
    assert ready.elapsed_s < 60
    assert stack.child("proxy").health is not None
    assert stack.stop() == 0


def is_of_user(pid: int) -> bool:
    return psutil.Process(pid).uids().real == UID


@needs_root
@pytest.mark.fault(49)
def test_without_room_for_a_process_it_waits_and_tries_again(stacks):
    """The kernel limits root's processes never, so the supervisor runs as somebody else."""
    proxy = service("proxy", restart=Restart(initial_s=0.05, factor=1.0, give_up=99))
    # access(2), unlike execve(2), has no regard for the capability, so that env goes before it.
    spec = stacks.spec(replace(proxy, argv=("/usr/bin/env", *proxy.argv)))
    user = as_user(stacks.folder)
    stack = stacks.start_spec(spec, prefix=("prlimit", f"--nproc={MOST}", *user)).ready()
    seen = len(stack.events)
    others = [subprocess.Popen([*user, "sleep", "600"]) for _ in range(MOST)]
    try:
        until(lambda: all(is_of_user(each.pid) for each in others), "they use up the limit")
        os.kill(stack.pid_of("proxy"), signal.SIGKILL)
        refused = "Resource temporarily unavailable"
        until(lambda: refused in stack.child("proxy").note, "the kernel refuses")
        assert stack.child("proxy").state in ("backoff", "starting")
    finally:
        for each in others:
            each.kill()
            each.wait()
    stack.wait_for("proxy", "ready", after=seen)
    assert stack.stop() == 0
