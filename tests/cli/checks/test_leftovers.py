"""Real processes and a real socket; whether they are ours is proven by run id and start time."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from ollamon.cli.checks import leftovers
from ollamon.cli.checks.finding import Severity
from ollamon.supervisor import identity, runfile, state
from tests.cli.checks.conftest import one
from tests.cli.test_table import STATUS


def dead_run(runtime, pid: int | None = None) -> None:
    started = None if pid is None else identity.start_time(pid)
    child = runfile.ChildEntry("proxy", "ready", 0.0, 0, pid, pid, started, ())
    run = runfile.Run("0", "r1", identity.boot_id(), 2**22 - 1, 1.0, "", "", (child,))
    runfile.write(runtime, run)


@pytest.fixture
def runtime(tmp_path):
    (tmp_path / "r").mkdir(mode=0o700)
    return tmp_path / "r"


@pytest.fixture
def stale_socket(runtime):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(runtime / "ctl.sock"))
    return runtime / "ctl.sock"


def test_nothing_is_left(world):
    assert one(leftovers.check(world())).severity is Severity.OK
    assert "this stack runs" in one(leftovers.check(world(status=STATUS))).evidence


def test_a_process_of_a_dead_run_is_ended(world, runtime):
    environment = os.environ | {"OLLAMON_RUN_ID": "r1"}
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(command, env=environment) as child:
        try:
            while identity.run_of(child.pid) != "r1":
                time.sleep(0.01)
            dead_run(runtime, child.pid)
            finding = one(leftovers.check(world()))
            assert finding.id == "leftovers-processes"
            assert f"proxy pid {child.pid}" in finding.evidence
            assert finding.repair is not None
            assert finding.repair.do() == f"ended proxy pid {child.pid}"
            assert child.wait(10) != 0
        finally:
            child.kill()
    assert one(leftovers.check(world())).severity is Severity.OK


def test_a_stranger_with_the_pid_of_one_is_nobody_to_end(world, runtime):
    dead_run(runtime, os.getpid())
    assert one(leftovers.check(world())).severity is Severity.OK


def test_a_stale_socket_is_removed(world, stale_socket):
    finding = one(leftovers.check(world()))
    assert finding.id == "leftovers-socket"
    assert finding.repair is not None
    assert finding.repair.do().startswith("removed ")
    assert not stale_socket.exists()


def test_a_socket_that_somebody_took_meanwhile_stays(world, runtime, stale_socket):
    finding = one(leftovers.check(world()))
    lock = state.acquire(runtime)
    try:
        assert finding.repair is not None
        assert "alone" in finding.repair.do()
        assert stale_socket.exists()
    finally:
        lock.release()


def test_a_supervisor_that_is_silent_is_woken_or_ended(world, runtime):
    here = world(silence="it does not answer")
    assert one(leftovers.check(here)).fix == "ollamon down"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        try:
            run = runfile.Run("0", "r1", identity.boot_id(), child.pid, 1.0, "", "", ())
            runfile.write(runtime, run)
            finding = one(leftovers.check(here))
            assert (finding.id, finding.evidence) == ("leftovers-silent", "it does not answer")
            assert finding.fix == f"kill {child.pid}"
            child.send_signal(signal.SIGSTOP)
            while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
                time.sleep(0.01)
            assert one(leftovers.check(here)).fix == f"kill -CONT {child.pid}"
        finally:
            child.kill()
