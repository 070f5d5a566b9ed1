"""Processes that lose their parent come up to the supervisor, which must collect them."""

import sys

import psutil
import pytest

from ollamon.supervisor import control
from tests.supervisor.faults.users import needs_root
from tests.supervisor.harness import service, until, zombies_of

COUNT = 100
AS_PID_1 = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def children_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children()


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no subreaper: launchd takes them")
@pytest.mark.fault(39)
def test_orphans_come_up_and_are_collected(stacks):
    stack = stacks.start(service("proxy", "--orphans", str(COUNT)))
    watched = {"most": 0}

    def have_come_and_gone() -> bool:
        count = len(children_of(stack.process.pid))
        watched["most"] = max(watched["most"], count)
        # Proxy and guard stay.
        return watched["most"] > 10 and count == 2

    until(have_come_and_gone, "orphans came up, and are collected")
    stack.ready()
    until(lambda: not zombies_of(stack.process.pid), "no zombie is left")
    assert stack.stop() == 0


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")
@pytest.mark.fault(39)
def test_as_process_1_it_collects_all(stacks):
    stack = stacks.start_spec(
        stacks.spec(service("proxy", "--orphans", str(COUNT))), prefix=AS_PID_1
    ).ready()
    assert stack.status().pid == 1
    (first,) = children_of(stack.process.pid)
    until(lambda: len(children_of(first.pid)) == 2, "proxy and guard alone are left")
    assert zombies_of(first.pid) == []
    control.ask(stack.runtime, "stop", timeout_s=30)
    assert stack.ended() == 0
