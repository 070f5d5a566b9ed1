"""Full disks: small tmpfs that the test mounts."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ollamon.supervisor import runfile
from tests.supervisor.faults.users import needs_root
from tests.supervisor.harness import QUICK, service


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    path.mkdir(parents=True, mode=0o700)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", path], check=True
    )
    try:
        yield path
    finally:
        # Lazily: a process that a failed test left may still have a file open.
        subprocess.run(["umount", "-l", path], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


@needs_root
@pytest.mark.fault(38)
def test_a_full_disk_loses_lines_says_so_once_and_stops_nobody(stacks):
    with small_disk(stacks.folder / "logs", "256k") as logs:
        gate = stacks.folder / "gate"
        stack = stacks.start(
            service("noisy", "--flood", "20000", "--gate", str(gate)), service("quiet")
        )
        stack.wait_for("quiet", "ready")
        gate.touch()
        stack.ready()
        (told,) = [event for event in stack.events if event.state == "unlogged"]
        assert told.detail == "what noisy writes is lost: No space left on device"
        # The flood is 57 bytes a line.
        lost = 20_000 * 57 - (logs / "noisy.log").stat().st_size
        assert stack.child("noisy").note == f"{lost} bytes of its log are lost"
        assert [child.state for child in stack.status().children] == ["ready", "ready"]
        assert stack.stop() == 0
        assert [event.state for event in stack.events].count("unlogged") == 1


@needs_root
@pytest.mark.fault(48)
def test_a_full_disk_under_run_json_stops_nothing(stacks):
    with small_disk(stacks.folder / "run" / "default", "64k") as runtime:
        stack = stacks.start(service("proxy", restart=QUICK)).ready()
        before = runfile.read(runtime)
        fill(runtime)
        seen = len(stack.events)
        os.kill(stack.pid_of("proxy"), signal.SIGKILL)
        stack.wait_for("proxy", "ready", after=seen)
        # The old one, whole.
        assert runfile.read(runtime) == before
        assert stack.stop() == 0
        assert sorted(path.name for path in runtime.iterdir()) == ["filler", "lock"]


@needs_root
@pytest.mark.fault(48)
def test_a_start_on_a_full_disk_is_refused_in_words(stacks):
    with small_disk(stacks.folder / "run" / "default", "64k") as runtime:
        fill(runtime)
        stack = stacks.start_spec(stacks.spec(service("proxy")), stderr=subprocess.PIPE)
        assert stack.ended() == 1
        assert stack.process.stderr is not None
        said = stack.process.stderr.read().decode()
        assert said == f"runtime_folder: cannot lock {runtime}: No space left on device\n"
