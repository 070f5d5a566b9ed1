"""A child that floods, and readers that do not read."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ollamon.supervisor import messages
from tests.supervisor.harness import (
    CHILD,
    FULL,
    Running,
    Stacks,
    is_alive,
    service,
    trace_of,
)

LINES = 1_000_000 if FULL else 100_000
BASELINE = f"""
import runpy, time
flood = runpy.run_path({str(CHILD)!r})["flood"]
began = time.monotonic()
flood({LINES})
raise SystemExit(str(time.monotonic() - began))
"""


def seconds_into_a_file(folder: Path) -> float:
    with (folder / "plain").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-I", "-c", BASELINE],
            stdout=file,
            stderr=subprocess.PIPE,
            check=False,
        )
    return float(done.stderr)


class Flood:
    """A stack whose child floods as soon as it may."""

    def __init__(self, stacks: Stacks) -> None:
        self.trace, self.gate = stacks.folder / "trace", stacks.folder / "gate"
        self.logs = stacks.folder / "logs"
        flags = ("--flood", str(LINES), "--gate", str(self.gate), "--trace", str(self.trace))
        self.logs.mkdir(mode=0o700)
        self.stack: Running = stacks.start(service("noisy", *flags), service("quiet"))
        self.stack.wait_for("quiet", "ready")

    def begin(self) -> None:
        self.gate.touch()

    def is_over(self) -> bool:
        return self.trace.exists() and "FLOODED" in self.trace.read_text()

    def took_s(self) -> float:
        at = {word: t for t, word in trace_of(self.trace)}
        return at["FLOODED"] - at["FLOOD"]


@pytest.mark.fault(36)
def test_a_million_lines_hold_up_neither_the_child_nor_anybody_else(stacks):
    """A tenth of them without OLLAMON_FULL, and then no time is judged."""
    plain_s = seconds_into_a_file(stacks.folder)
    flood = Flood(stacks)
    supervisor = psutil.Process(flood.stack.process.pid)
    before = most = supervisor.memory_info().rss
    waits: list[float] = []
    flood.begin()
    while not flood.is_over():
        asked = time.perf_counter()
        assert flood.stack.status().pid == supervisor.pid
        waits.append(time.perf_counter() - asked)
        most = max(most, supervisor.memory_info().rss)
    flood.stack.ready()
    assert most - before <= 15_000_000
    kept = sum(file.stat().st_size for file in flood.logs.glob("noisy.log*"))
    assert kept <= 4 * 10_000_000
    if FULL:
        assert flood.took_s() <= 1.5 * plain_s + 1.0
        assert sorted(waits)[len(waits) // 2] <= 0.1
    assert flood.stack.child("noisy").note == ""


@pytest.mark.fault(37)
def test_readers_that_do_not_read_change_nothing(stacks):
    flood = Flood(stacks)
    folder = stacks.folder
    environment = {
        **os.environ,
        "HOME": str(folder),
        "OLLAMON_PATHS__RUNTIME": str(flood.stack.runtime),
        "OLLAMON_PATHS__LOGS": str(flood.logs),
    }
    environment.pop("OLLAMON_CONFIG", None)
    (flood.logs / "quiet.log").write_text("begun\n")
    with (
        subprocess.Popen(
            [sys.executable, "-m", "ollamon.cli", "logs", "-f"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as reader,
        socket.socket(socket.AF_UNIX) as follower,
    ):
        assert reader.stdout is not None
        assert "begun" in reader.stdout.readline()
        reader.send_signal(signal.SIGSTOP)
        follower.connect(str(flood.stack.runtime / messages.SOCKET_NAME))
        request = {"v": messages.VERSION, "cmd": "events", "args": {"replay": True}}
        follower.sendall(json.dumps(request).encode() + b"\n")
        flood.begin()
        flood.stack.ready()
        assert flood.took_s() < 60
        assert is_alive(reader.pid)
        reader.send_signal(signal.SIGCONT)
        assert flood.stack.stop() == 0
        reader.communicate(timeout=60)
        assert reader.returncode == 0
