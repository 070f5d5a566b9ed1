"""What the sweep finds, and above all what it does not touch."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ollamon.errors import LeftoverError
from ollamon.supervisor import identity, runfile
from ollamon.supervisor.leftovers import Leftover, leftovers, remains, sweep
from ollamon.supervisor.runfile import ChildEntry, Run

RUN_ID = os.urandom(4).hex()


@pytest.fixture
def start() -> Iterator[object]:
    """Start a process that waits; with `run_id` in its environment."""
    started = []

    def start(run_id: str, *, ignores_term: bool = False) -> "subprocess.Popen[bytes]":
        ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if ignores_term else ""
        code = f"import os, signal\n{ignore}\nos.write(1, b'.')\nsignal.pause()"
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code],
            env={**os.environ, "OLLAMON_RUN_ID": run_id},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.read(1)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def entry(pid: int, started: float | None = None) -> ChildEntry:
    at = identity.start_time(pid) if started is None else started
    return ChildEntry("proxy", "ready", 0.0, 0, pid, pid, at, ())


def write(folder: Path, *children: ChildEntry, **changes: object) -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    run = Run("1", RUN_ID, identity.boot_id(), gone.pid, 1.0, "", "", children)
    runfile.write(folder, replace(run, **changes))


def test_a_child_of_a_dead_run_is_found_and_swept(tmp_path, start):
    process = start(RUN_ID)
    write(tmp_path, entry(process.pid))
    found = leftovers(tmp_path)
    assert [(each.name, each.pid) for each in found] == [("proxy", process.pid)]
    sweep(found)
    assert process.wait() == -15


def test_one_that_ignores_sigterm_is_killed(tmp_path, start):
    process = start(RUN_ID, ignores_term=True)
    write(tmp_path, entry(process.pid))
    sweep(leftovers(tmp_path), grace_s=0.1)
    assert process.wait() == -9


def test_a_descendant_that_the_file_does_not_name_is_found_by_its_run_id(tmp_path, start):
    process = start(RUN_ID)
    write(tmp_path)
    assert [each.pid for each in leftovers(tmp_path)] == [process.pid]


@pytest.mark.fault(28)
def test_a_stranger_who_has_the_pid_now_is_spared(tmp_path, start):
    process = start("")
    write(tmp_path, entry(process.pid))
    assert leftovers(tmp_path) == []


@pytest.mark.fault(27, 28)
def test_another_start_time_is_another_process(tmp_path, start):
    # It even carries the run id, as a pid that the kernel gave out again never would.
    process = start(RUN_ID)
    write(tmp_path, entry(process.pid, started=1.0))
    assert leftovers(tmp_path) == []


@pytest.mark.fault(27)
def test_another_run_is_spared(tmp_path, start):
    process = start("ffffffff")
    write(tmp_path, entry(process.pid))
    assert leftovers(tmp_path) == []


def test_another_boot_has_left_nothing(tmp_path, start):
    process = start(RUN_ID)
    write(tmp_path, entry(process.pid), boot_id="another")
    assert leftovers(tmp_path) == []


def test_the_children_of_a_living_supervisor_are_no_leftovers(tmp_path, start):
    process = start(RUN_ID)
    me = os.getpid()
    write(tmp_path, entry(process.pid), pid=me, started=identity.start_time(me))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v": 1}', '{"v": 2}', '{"v":1,"children":[7]}'])
def test_a_file_that_cannot_be_understood_names_nobody(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    assert leftovers(tmp_path) == []


def test_the_file_is_read_once(tmp_path, start, monkeypatch):
    mine, other = start(RUN_ID), start("another run")
    write(tmp_path, entry(mine.pid), entry(other.pid))
    read, times = runfile.read, []
    monkeypatch.setattr(runfile, "read", lambda runtime: times.append(1) or read(runtime))
    found = remains(tmp_path)
    assert [each.pid for each in found.leftovers] == [mine.pid]
    assert [each.pid for each in found.strangers] == [other.pid]
    assert len(times) == 1


def test_without_a_file_there_is_nothing(tmp_path):
    assert leftovers(tmp_path) == []


def test_the_sweep_compares_again_before_it_signals(start):
    process = start(RUN_ID)
    sweep([Leftover("proxy", process.pid, 1.0, RUN_ID)])
    assert process.poll() is None


def test_what_cannot_be_removed_is_named(monkeypatch, start):
    process = start(RUN_ID)
    monkeypatch.setattr(identity, "send_signal", lambda *_: False)
    monkeypatch.setattr("ollamon.supervisor.leftovers.KILL_S", 0.05)
    leftover = Leftover("proxy", process.pid, identity.start_time(process.pid), RUN_ID)
    with pytest.raises(LeftoverError, match=f"proxy pid {process.pid}"):
        sweep([leftover], grace_s=0.05)
