"""What supervising costs: our engine beside honcho, supervisor and circus, in one run.

Three trivial HTTP children each. The children of the peers bind their port themselves, as ours do
where a foreign program is kept; `refused` is measured with a socket that is held, which is our case
for the proxy. A cell is empty where a peer has no such thing.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.benches.supervising.contestants import (
    Contestant,
    Ollamon,
    Wanted,
    free_ports,
    installed,
    own_processes,
    peers,
    running,
)

NAMES = ("one", "two", "three")
PATIENCE_S = 30.0
# Who has not ended by then does not end.
STOP_LIMIT_S = 8.0
KILLS_LIMIT_S = 25.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    idle_s: float
    kills: int
    lines: int
    looks: int


FULL = Plan(rounds=2, idle_s=60.0, kills=20, lines=1_000_000, looks=15)
QUICK = Plan(rounds=1, idle_s=5.0, kills=3, lines=100_000, looks=3)
ROWS = {
    "ready_ms": "start until three children answer, ms",
    "kill_ms": "kill -9 until that child answers again, ms",
    "stop_ms": "stop of three children, ms",
    "stubborn_ms": "stop of three that ignore SIGTERM for 1 s, ms",
    "refused": "refused while one is killed again and again",
    "asked": "of so many connections",
    "idle_cpu_percent": "idle, per cent of a core",
    "idle_wakeups_per_s": "idle, wake-ups a second",
    "rss_mb": "resident, all its own processes, MB",
    "status_ms": "`status`, wall, ms",
    "lines_ratio": "child's time to write the lines / to a file",
    "lines_rss_mb": "growth while it does, MB",
}
Figures = dict[str, dict[str, list[float]]]


def ask(port: int) -> int:
    """Return the pid that answers. Raises OSError: Nobody does."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    words = answer.split()
    if not words or not words[-1].isdigit():
        raise ConnectionResetError
    return int(words[-1])


def until_answered(port: int, not_by: int = 0) -> int:
    """Return the pid that answers at last."""
    deadline = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < deadline:
        with contextlib.suppress(OSError):
            if (pid := ask(port)) != not_by:
                return pid
        time.sleep(0.0005)
    raise TimeoutError(f"nobody answers on {port}")


def ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


@contextlib.contextmanager
def folder_for_one() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="oll") as folder:
        yield Path(folder)


def three(*flags: str) -> list[Wanted]:
    return [Wanted(name, port, flags) for name, port in zip(NAMES, free_ports(3), strict=True)]


def measure_life(who: Contestant, found: dict[str, list[float]]) -> None:
    """Start, kill, stop."""
    wanted = three()
    with folder_for_one() as folder:
        command = who.prepare(folder, wanted)
        began = time.perf_counter()
        with running(command, folder) as process:
            for each in wanted:
                until_answered(each.port)
            found["ready_ms"].append(ms_since(began))
            # It shall know that they are up, too.
            time.sleep(1.2)
            if who.restarts:
                for each in wanted:
                    found["kill_ms"].append(kill_one(each.port))
                time.sleep(1.2)
            began = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
            found["stop_ms"].append(ms_since(began))


def kill_one(port: int) -> float:
    pid = ask(port)
    began = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    until_answered(port, not_by=pid)
    return ms_since(began)


def measure_stubborn(who: Contestant, found: dict[str, list[float]]) -> None:
    wanted = three("--stubborn")
    with folder_for_one() as folder, running(who.prepare(folder, wanted), folder) as process:
        for each in wanted:
            until_answered(each.port)
        time.sleep(1.2)
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(STOP_LIMIT_S)
        found["stubborn_ms"].append(ms_since(began))


class Load:
    """Connections without end from four threads, counted."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self.asked = self.refused = 0

    def __enter__(self) -> "Load":
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._is_over.wait(0.01):
            is_refused = False
            try:
                ask(self._port)
            except ConnectionRefusedError:
                is_refused = True
            except OSError:
                # In flight when it was killed.
                pass
            with self._lock:
                self.asked += 1
                self.refused += is_refused


def measure_refused(who: Contestant, plan: Plan, found: dict[str, list[float]]) -> None:
    if not who.restarts:
        return
    (port,) = free_ports(1)
    with folder_for_one() as folder:
        prepared = (
            who.prepare_held(folder, port)
            if isinstance(who, Ollamon)
            else who.prepare(folder, [Wanted("one", port)])
        )
        with running(prepared, folder):
            until_answered(port)
            time.sleep(1.2)
            with Load(port) as load:
                over = time.perf_counter() + KILLS_LIMIT_S
                for _ in range(plan.kills):
                    # One that needs long to come back is killed less often.
                    if time.perf_counter() > over:
                        break
                    pid = until_answered(port)
                    os.kill(pid, signal.SIGKILL)
                    time.sleep(0.5)
                until_answered(port)
    found["refused"].append(load.refused)
    found["asked"].append(load.asked)


def spent(processes: list[psutil.Process]) -> tuple[float, int]:
    """Seconds of CPU of all threads so far, and how often one of them was run."""
    fields = [
        (task / "schedstat").read_text().split()
        for process in processes
        for task in Path(f"/proc/{process.pid}/task").iterdir()
    ]
    return sum(int(each[0]) for each in fields) / 1e9, sum(int(each[2]) for each in fields)


def measure_idle(contestants: list[Contestant], plan: Plan, found: Figures) -> None:
    """All of them in the same minute: nothing happens, and then they are asked for the status."""
    with contextlib.ExitStack() as stack:
        own, folders = {}, {}
        for who in contestants:
            folders[who.name] = folder = stack.enter_context(folder_for_one())
            wanted = three()
            process = stack.enter_context(running(who.prepare(folder, wanted), folder))
            for each in wanted:
                until_answered(each.port)
            own[who.name] = own_processes(process)
        time.sleep(2.0)
        before = {name: spent(processes) for name, processes in own.items()}
        time.sleep(plan.idle_s)
        for who in contestants:
            (was_s, woken), (is_s, waking) = before[who.name], spent(own[who.name])
            figures = found[who.name]
            figures["idle_cpu_percent"].append(100 * (is_s - was_s) / plan.idle_s)
            figures["idle_wakeups_per_s"].append((waking - woken) / plan.idle_s)
            figures["rss_mb"].append(sum(p.memory_info().rss for p in own[who.name]) / 1e6)
            measure_status(who, folders[who.name], plan, figures)


def measure_status(
    who: Contestant, folder: Path, plan: Plan, found: dict[str, list[float]]
) -> None:
    command = who.status(folder)
    if command is None:
        return
    for _ in range(plan.looks):
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, cwd=folder, check=False)
        found["status_ms"].append(ms_since(began))
        assert b"one" in done.stdout, done


def written_to_a_file_s(lines: int, folder: Path) -> float:
    """Seconds that the same child needs for a plain file."""
    done = folder / "plain"
    (port,) = free_ports(1)
    command = Wanted("one", port, ("--lines", str(lines), str(done))).command()
    with (folder / "lines").open("wb") as output, subprocess.Popen(command, stdout=output) as child:
        wait_for(done)
        child.kill()
    return float(done.read_text())


def wait_for(path: Path) -> None:
    deadline = time.perf_counter() + 120
    while not path.exists():
        if time.perf_counter() > deadline:
            raise TimeoutError(str(path))
        time.sleep(0.01)


def measure_lines(who: Contestant, plan: Plan, found: dict[str, list[float]]) -> None:
    one, two, _ = three()
    with folder_for_one() as folder:
        plain_s = written_to_a_file_s(plan.lines, folder)
        done = folder / "done"
        gate = Wanted("noisy", two.port, ("--lines", str(plan.lines), str(done)))
        with running(who.prepare(folder, [one, gate]), folder) as process:
            until_answered(one.port)
            wait_for(done)
            peak = peak_mb(own_processes(process))
            found["lines_ratio"].append(float(done.read_text()) / plain_s)
    # Where it forks for each look, the peak of what is left is below.
    found["lines_rss_mb"].append(max(0.0, peak - statistics.median(found["rss_mb"])))


def peak_mb(processes: list[psutil.Process]) -> float:
    total = 0
    for process in processes:
        status = Path(f"/proc/{process.pid}/status").read_text()
        total += int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return total / 1e6


def print_table(medians: dict[str, dict[str, float]]) -> None:
    print(f"| median | {' | '.join(medians)} |")
    print("|---" * (len(medians) + 1) + "|")
    for key, words in ROWS.items():
        cells = [f"{each[key]:.3g}" if key in each else "" for each in medians.values()]
        print(f"| {words} | {' | '.join(cells)} |")


def main() -> None:
    """Measure and print; the last line is JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench supervisor", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, under 60 s")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    found: Figures = defaultdict(lambda: defaultdict(list))
    with contextlib.ExitStack() as stack:
        contestants: list[Contestant] = [Ollamon()]
        if not options.alone:
            contestants += peers(stack.enter_context(installed()))
        # In turns, so that a noisy minute hits all of them.
        for _ in range(plan.rounds):
            for who in contestants:
                measure_life(who, found[who.name])
        measure_idle(contestants, plan, found)
        for who in contestants:
            measure_refused(who, plan, found[who.name])
            measure_stubborn(who, found[who.name])
            measure_lines(who, plan, found[who.name])
    medians = {
        name: {key: round(statistics.median(values), 3) for key, values in each.items()}
        for name, each in found.items()
    }
    print(f"{psutil.cpu_count()} cores, Python {sys.version.split()[0]}, {plan.rounds} rounds\n")
    print_table(medians)
    print()
    print(json.dumps({"figures": medians, "rounds": plan.rounds, "load": os.getloadavg()}))


if __name__ == "__main__":
    main()
