"""A killed child refuses nobody: its listening socket stays with the supervisor."""

import asyncio
import os
import signal
from collections import Counter

import pytest

from ollamon.supervisor.spec import Restart
from tests.supervisor.harness import FULL, PATIENCE_S, Running, free_port, service

KILLS = 20 if FULL else 3
EVERY_S = 1 / 400


async def ask(port: int) -> str:
    """One connection of its own; what became of it."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
                return "answered" if b"200 OK" in await reader.read() else "cut"
            finally:
                writer.close()
    except ConnectionResetError:
        return "cut"
    except OSError as error:
        return type(error).__name__


async def load(port: int, outcomes: Counter[str], is_over: asyncio.Event) -> None:
    async def one() -> None:
        outcomes[await ask(port)] += 1

    async with asyncio.TaskGroup() as requests:
        while not is_over.is_set():
            requests.create_task(one())
            await asyncio.sleep(EVERY_S)


def kill(stack: Running) -> None:
    seen = len(stack.events)
    os.kill(stack.pid_of("proxy"), signal.SIGKILL)
    stack.wait_for("proxy", "ready", after=seen)


@pytest.mark.fault(3)
async def test_under_load_only_what_is_in_flight_is_cut(stacks):
    port = free_port()
    restart = Restart(initial_s=0.05, factor=1.0, give_up=999)
    stack = stacks.start(service("proxy", port=port, restart=restart)).ready()
    outcomes: Counter[str] = Counter()
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load(port, outcomes, is_over))
        for _ in range(KILLS):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(kill, stack)
        is_over.set()
    # The child serves one connection after the other, so that one is in flight at a time.
    cut = outcomes.pop("cut", 0)
    assert cut <= KILLS
    assert set(outcomes) == {"answered"}
    assert outcomes["answered"] > KILLS * 20
