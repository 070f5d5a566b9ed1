"""Time from `up` to all ready, `status`, imports, and memory of every process of a real stack."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.system.stack import Stack, command_line

CHILDREN = ("proxy", "helper", "dashboard", "demo")


def timed(action: Callable[[], object]) -> float:
    """Milliseconds of wall time."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def import_ms(module: str, rounds: int) -> str:
    """Wall time of a process that imports a module and leaves."""
    command = [sys.executable, "-I", "-c", f"import {module}" if module else ""]
    return spread([timed(lambda: subprocess.run(command, check=True)) for _ in range(rounds)])


@contextmanager
def running() -> Iterator[tuple[Stack, float]]:
    """A stack that is ready, and the milliseconds that `up -d --wait` took."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), "http://127.0.0.1:9")
        try:
            yield stack, timed(lambda: stack.up("--with-helper"))
        finally:
            stack.run("down")


def ready_after(stack: Stack) -> dict[str, float]:
    """Milliseconds from the start of the run to each child's readiness."""
    log = next(stack.home.rglob("events*.jsonl"))
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return {
        event["child"]: event["elapsed_s"] * 1000
        for event in events
        if event["state"] == "ready" and event["child"]
    }


def memory_mb(stack: Stack) -> dict[str, float]:
    """Resident memory by process; the supervisor and its guard have names too."""
    names = {child["pid"]: child["name"] for child in stack.status()["children"]}
    found = {}
    for process in stack.processes():
        command = command_line(process)
        default = "guard" if "guard" in command else "supervisor"
        found[names.get(process.pid, default)] = process.memory_info().rss / 1e6
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    ups: list[float] = []
    ready: dict[str, list[float]] = {}
    downs: list[float] = []
    for number in range(rounds):
        with running() as (stack, up_ms):
            ups.append(up_ms)
            for name, after in ready_after(stack).items():
                ready.setdefault(name, []).append(after)
            if number == 0:
                status = [timed(lambda: stack.run("status", code=None)) for _ in range(15)]
                as_json = [timed(stack.status) for _ in range(15)]
                memory = memory_mb(stack)
            downs.append(timed(lambda: stack.run("down")))
    print(f"{psutil.cpu_count()} cores, Python {sys.version.split()[0]}, {rounds} rounds;")
    print("median (lowest to highest), ms unless a unit stands there\n")
    print("| what | value |\n|---|---|")
    print(f"| `up -d --wait --with-helper`, wall | {spread(ups)} |")
    for name, values in ready.items():
        print(f"| {name} ready after | {spread(values)} |")
    print(f"| `down`, wall | {spread(downs)} |")
    print(f"| `status`, wall | {spread(status)} |")
    print(f"| `status --json`, wall | {spread(as_json)} |")
    print(f"| bare Python | {import_ms('', rounds)} |")
    for name in CHILDREN:
        print(f"| import of {name} | {import_ms(f'ollamon.{name}.__main__', rounds)} |")
    for name, megabytes in sorted(memory.items()):
        print(f"| {name}, resident | {megabytes:.0f} MB |")


if __name__ == "__main__":
    main()
