"""What the helper costs over a minute, at 5 s and at 1 s; what a scrape takes with and without it.

First with what this machine has, then with every kind of source, played. A scrape is that of a real
proxy: its helper answers, is off, is dead, or takes connections and never answers.
"""

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import psutil

from ollamon.handover import Handover, encode
from tests.system.stack import eventually, fetch, free_ports

INTERVALS = ("5s", "1s")
# /metrics is rendered once a second, and a scrape of the same second costs nothing.
BETWEEN_SCRAPES_S = 1.05


@contextlib.contextmanager
def started(command: list[str], port: int, path: str = "/metrics") -> Iterator[psutil.Process]:
    """A process that answers on a port."""
    process = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        eventually(lambda: fetch(f"http://127.0.0.1:{port}{path}"), "it answers")
        yield psutil.Process(process.pid)
    finally:
        process.communicate(timeout=30) if process.stdin else process.wait()


@contextlib.contextmanager
def real(interval: str) -> Iterator[psutil.Process]:
    """A helper with the sources of this machine, as a supervisor starts it."""
    (port,) = free_ports(1)
    section = {"helper": {"mode": "on", "listen": f"127.0.0.1:{port}", "interval": interval}}
    with child("helper", section, port) as process:
        yield process


@contextlib.contextmanager
def played(interval: str, port: int = 0) -> Iterator[psutil.Process]:
    """A helper with sources of every kind."""
    port = port or free_ports(1)[0]
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "scripts.benches.played_helper", str(port), interval.rstrip("s"), folder]
        with started(words, port) as process:
            yield process


@contextlib.contextmanager
def child(name: str, section: dict[str, object], port: int) -> Iterator[psutil.Process]:
    """A child of ollamon with its section, until its lifeline ends."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-u", "-m", f"ollamon.{name}"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    assert process.stdin is not None
    process.stdin.write(encode(Handover(section, "0badcafe")))
    process.stdin.flush()
    try:
        eventually(lambda: fetch(f"http://127.0.0.1:{port}/metrics"), f"{name} answers")
        yield psutil.Process(process.pid)
    finally:
        process.communicate(timeout=30)


def spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def costs(seconds: float) -> None:
    """Print what the helper takes."""
    print("| sources | interval | CPU of one core | resident |\n|---|---|---|---|")
    for name, running in (("of this machine", real), ("of every kind, played", played)):
        for interval in INTERVALS:
            with running(interval) as process:
                time.sleep(3)
                before = spent_s(process)
                time.sleep(seconds)
                share = 100 * (spent_s(process) - before) / seconds
                memory = process.memory_info().rss / 1e6
            print(f"| {name} | {interval} | {share:.2f} % | {memory:.0f} MB |")


@contextlib.contextmanager
def hung(port: int) -> Iterator[None]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", port), backlog=128):
        yield


def scrape_ms(mode: str, helper_port: int, count: int) -> list[float]:
    """Return what each of so many scrapes of a proxy takes."""
    listen, metrics, dead = free_ports(3)
    section = {
        "ollama": {"url": f"http://127.0.0.1:{dead}"},
        "proxy": {"listen": f"127.0.0.1:{listen}", "metrics_listen": f"127.0.0.1:{metrics}"},
        "helper": {"mode": mode, "listen": f"127.0.0.1:{helper_port}", "interval": "1s"},
    }
    found = []
    with child("proxy", section, metrics):
        for _ in range(count):
            time.sleep(BETWEEN_SCRAPES_S)
            began = time.perf_counter()
            fetch(f"http://127.0.0.1:{metrics}/metrics")
            found.append(1000 * (time.perf_counter() - began))
    return sorted(found)


def scrapes(count: int) -> None:
    """Print what a scrape takes."""
    print("\n| helper | scrape, median | slowest |\n|---|---|---|")
    for name, mode, played_by in (
        ("off", "off", contextlib.nullcontext),
        ("answers", "external", lambda port: played("1s", port)),
        ("dead", "external", contextlib.nullcontext),
        ("takes connections and never answers", "external", hung),
    ):
        (port,) = free_ports(1)
        with played_by(port):
            times = scrape_ms(mode, port, count)
        print(f"| {name} | {statistics.median(times):.1f} ms | {times[-1]:.1f} ms |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--scrapes", type=int, default=20)
    options = parser.parse_args()
    costs(options.seconds)
    scrapes(options.scrapes)


if __name__ == "__main__":
    main()
