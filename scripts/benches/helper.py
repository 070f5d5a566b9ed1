"""CPU and memory of a helper over a minute, at 5 s and at 1 s, with what this machine has."""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

from tests.system.stack import eventually, fetch, free_ports


@contextlib.contextmanager
def running(interval: str) -> Iterator[psutil.Process]:
    """A helper started by hand that answers."""
    (port,) = free_ports(1)
    where = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "ollamon.helper", "--by-hand"]
    process = subprocess.Popen(
        [*command, "--listen", where, "--interval", interval],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        eventually(lambda: fetch(f"http://{where}/metrics"), "the helper answers")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    print("| interval | CPU of one core | resident |\n|---|---|---|")
    for interval in ("5s", "1s"):
        with running(interval) as process:
            before = spent_s(process)
            time.sleep(seconds)
            share = 100 * (spent_s(process) - before) / seconds
            print(f"| {interval} | {share:.2f} % | {process.memory_info().rss / 1e6:.0f} MB |")


if __name__ == "__main__":
    main()
