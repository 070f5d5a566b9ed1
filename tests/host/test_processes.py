import os
import shutil
import signal
import subprocess
import time

import psutil
import pytest

from ollamon.host import processes
from ollamon.host.processes import Kin, Process, Role, Usage


def test_runners_are_what_descends_from_a_server():
    kin = [
        Kin(1, 0, False),
        Kin(10, 1, True),
        Kin(11, 10, False),
        Kin(12, 11, False),
        Kin(20, 1, False),
        Kin(30, 1, True),
        Kin(31, 30, False),
    ]
    assert processes.parse(kin) == {
        10: Role.SERVER,
        30: Role.SERVER,
        11: Role.RUNNER,
        12: Role.RUNNER,
        31: Role.RUNNER,
    }


def test_without_a_server_nothing_is_ollamas():
    assert processes.parse([Kin(1, 0, False), Kin(2, 1, False)]) == {}


def test_a_circle_of_parents_ends():
    # Process ids are read one by one, and may be reused meanwhile.
    assert processes.parse([Kin(1, 2, True), Kin(2, 1, False)]) == {
        1: Role.SERVER,
        2: Role.RUNNER,
    }


def of(pid, cpu_s, memory=100, born=1.0):
    return Process(pid, 1, born, memory, cpu_s)


def test_cpu_is_time_spent_over_time_passed():
    before = {Role.RUNNER: (of(1, 10.0), of(2, 5.0))}
    after = {Role.RUNNER: (of(1, 14.0), of(2, 7.0))}
    assert processes.usage(before, after, 4.0) == {Role.RUNNER: Usage(200, 1.5)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, of(1, 14.0)),
        ({}, of(1, 14.0)),
        ({Role.RUNNER: (of(1, 10.0, born=1.0),)}, of(1, 14.0, born=2.0)),
        ({Role.RUNNER: (of(1, None),)}, of(1, 14.0)),
        ({Role.RUNNER: (of(1, 10.0),)}, of(1, None)),
    ],
    ids=["first reading", "a new process", "a reused id", "was hidden", "is hidden"],
)
def test_cpu_is_unknown_until_each_process_was_seen_twice(before, after):
    found = processes.usage(before, {Role.RUNNER: (after,)}, 4.0)
    assert found[Role.RUNNER].cpu_ratio is None


def test_seconds_are_those_between_two_readings():
    before = {Role.SERVER: (of(1, 5.0),), Role.RUNNER: (of(2, 100.0), of(3, 7.0))}
    after = {Role.SERVER: (of(1, 5.5),), Role.RUNNER: (of(2, 103.0), of(4, 2.0))}
    assert processes.spent_s(None, before) == {Role.SERVER: 0, Role.RUNNER: 0}
    # 3 has ended, and 4 was born since.
    assert processes.spent_s(before, after) == {Role.SERVER: 0.5, Role.RUNNER: 5.0}


@pytest.mark.parametrize(
    ("before", "after"), [(of(1, None), of(1, 4.0)), (of(1, 4.0), of(1, None))]
)
def test_seconds_that_are_hidden_are_unknown(before, after):
    assert processes.spent_s({Role.RUNNER: (before,)}, {Role.RUNNER: (after,)}) == {}


def test_a_number_that_another_process_has_now_is_a_new_process():
    before = {Role.RUNNER: (of(1, 50.0, born=1.0),)}
    after = {Role.RUNNER: (of(1, 2.0, born=9.0),)}
    assert processes.spent_s(before, after) == {Role.RUNNER: 2.0}


def test_memory_that_is_hidden_is_unknown_and_not_0():
    assert processes.usage(None, {Role.SERVER: (of(1, 1.0, memory=None),)}, 1.0) == {
        Role.SERVER: Usage(None, None)
    }


@pytest.fixture
def ollama(tmp_path):
    """A real process named ollama that serves, with a child below it that waits."""
    program = tmp_path / "ollama"
    shutil.copy(shutil.which("sh"), program)
    (tmp_path / "serve").write_text("sleep 600 & echo $!; wait\n")
    process = subprocess.Popen(
        [program, "serve"], cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True
    )
    runner = int(process.stdout.readline())
    yield process.pid, runner
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_real_server_and_what_runs_below_it_are_found(ollama):
    members = processes.read()
    server, runner = ollama
    assert server in {one.pid for one in members[Role.SERVER]}
    assert runner in {one.pid for one in members[Role.RUNNER]}
    (seen,) = [one for one in members[Role.SERVER] if one.pid == server]
    assert seen.memory > 0
    assert seen.cpu_s >= 0
    assert seen.parent == os.getpid()


def test_a_client_of_the_same_name_is_no_server(tmp_path):
    program = tmp_path / "ollama"
    shutil.copy(shutil.which("sh"), program)
    (tmp_path / "run").write_text("read line\n")
    process = subprocess.Popen([program, "run"], cwd=tmp_path, stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while psutil.Process(process.pid).name() != "ollama" and time.monotonic() < deadline:
            continue
        ours = [one.pid for group in processes.read().values() for one in group]
        assert process.pid not in ours
    finally:
        process.communicate()
