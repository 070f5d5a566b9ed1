import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ollamon.supervisor import guard
from tests.supervisor.harness import is_alive, until


@pytest.fixture
def group() -> Iterator[object]:
    started = []

    def start(*, ignores_term: bool = False) -> "subprocess.Popen[bytes]":
        ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if ignores_term else ""
        code = f"import os, signal\n{ignore}\nos.write(1, b'.')\nsignal.pause()"
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, process_group=0
        )
        process.stdout.read(1)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def run_guard(text: str, grace_s: float = 0.2) -> None:
    """Tell a guard something, and hang up."""
    subprocess.run(
        [sys.executable, "-I", "-S", guard.__file__, str(grace_s)],
        input=text.encode(),
        check=True,
        timeout=60,
    )


def test_the_end_of_the_pipe_ends_the_groups_politely(group):
    one, two = group(), group()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, "30"], stdin=subprocess.PIPE
    ) as process:
        process.stdin.write(f"+ {one.pid}\n+ {two.pid}\n".encode())
        process.stdin.close()
        assert one.wait(30) == two.wait(30) == -signal.SIGTERM
        assert process.wait(30) == 0


def test_a_stubborn_group_is_killed_after_the_grace_period(group):
    stubborn = group(ignores_term=True)
    run_guard(f"+ {stubborn.pid}\n")
    assert stubborn.wait(30) == -signal.SIGKILL


def test_a_farewell_or_a_group_that_was_taken_back_touches_nothing(group):
    one = group()
    run_guard(f"+ {one.pid}\nbye\n")
    run_guard(f"+ {one.pid}\n- {one.pid}\n")
    assert is_alive(one.pid)


@pytest.mark.parametrize("line", ["+ 0", "+ 1", "+ -1", "+", "+ x", "nonsense", "", "+ 99999999"])
def test_nonsense_harms_nobody(line):
    run_guard(line + "\n")


def test_signals_do_not_end_the_guard(group):
    one = group()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, "0.2"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        ignored = (1 << signal.SIGINT - 1) | (1 << signal.SIGTERM - 1) | (1 << signal.SIGHUP - 1)
        until(lambda: ignored_signals(process.pid) & ignored == ignored, "the guard is set up")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        process.stdin.write(f"+ {one.pid}\n".encode())
        process.stdin.close()
        assert one.wait(30) == -signal.SIGTERM


def ignored_signals(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
        line = next(line for line in file if line.startswith("SigIgn:"))
    return int(line.split()[1], 16)


def test_the_guard_imports_next_to_nothing():
    code = "import sys, runpy; runpy.run_path(sys.argv[1]); print(len(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, guard.__file__],
        check=True,
        capture_output=True,
        env={**os.environ},
    )
    assert int(answer.stdout) < 80
