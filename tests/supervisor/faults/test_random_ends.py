"""The supervisor ends at any moment of its life, under load; the next one must not notice.

Six ends by each signal here; OLLAMON_FULL=1 makes it 200 each.
"""

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.supervisor.harness import (
    FULL,
    Running,
    Stacks,
    foreign,
    free_port,
    is_alive,
    listens,
    service,
    until,
)

ENDS = 200 if FULL else 6
MARK = "OLLAMON_TEST_FOLDER"


@contextlib.contextmanager
def load(port: int) -> Iterator[None]:
    """Connections without end, whatever becomes of them."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(0.002):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
            ):
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                connection.recv(64)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def marked(folder: str) -> list[int]:
    """Living processes of any run of this test."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == folder and is_alive(process.pid):
                found.append(process.pid)
    return found


def end_one(start: "Starter", dice: random.Random, number: int, *, early: bool) -> None:
    stack = start()
    if early:
        # An import of the supervisor takes most of it.
        time.sleep(dice.uniform(0.0, 0.6))
    else:
        stack.ready()
        time.sleep(dice.uniform(0.0, 0.1))
    stack.signal(number)
    code = stack.ended()
    if number == signal.SIGTERM:
        # Before it listens to signals, nothing has been started that would have to be stopped.
        assert code == 0 or (early and code == -signal.SIGTERM), (code, stack.history())
        if code == 0:
            assert not (stack.runtime / "run.json").exists()
            assert not (stack.runtime / "ctl.sock").exists()
    until(lambda: not marked(start.folder), "no process of any run is left")


class Starter:
    """The same stack again and again: same folder, same ports."""

    def __init__(self, stacks: Stacks, number: int) -> None:
        self.port, self.engine = free_port(), free_port()
        self.folder = str(stacks.folder)
        self.stacks = stacks
        # A stubborn grandchild of a killed supervisor lives for the guard's five seconds.
        stubborn = ("--group", f"{self.folder}/pid") if number == signal.SIGTERM else ("--ignterm",)
        self.spec = stacks.spec(
            service("proxy", port=self.port),
            foreign("engine", self.engine, after=("proxy",)),
            service("stubborn", *stubborn, stop_timeout_s=0.2),
        )

    def __call__(self) -> Running:
        return self.stacks.start_spec(self.spec, env={**os.environ, MARK: self.folder})


@pytest.mark.fault(19, 25)
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_an_end_at_any_moment_leaves_nothing_and_the_next_start_works(stacks, number):
    dice = random.Random(number)
    start = Starter(stacks, number)
    was_early = False
    with load(start.port):
        for _ in range(ENDS):
            # After an early end the next start has to reach readiness, which proves it.
            early = not was_early and dice.random() < 0.5
            end_one(start, dice, number, early=early)
            was_early = early
        last = start().ready()
        assert last.stop() == 0
    assert marked(start.folder) == []
    assert not listens(start.port)
    assert not listens(start.engine)
