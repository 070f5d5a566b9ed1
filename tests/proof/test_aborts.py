"""A client that leaves takes its exchange with it, in every phase: upstream is told at once.

Two hundred here; OLLAMON_FULL=1 aborts 10,000. How long it took is logged (see it with
--log-cli-level=INFO); only what is far too long fails, because the machine may be busy.
"""

import asyncio
import logging
import os
import random
import statistics
import time

import psutil
import pytest

from ollamon.proxy.tap import Ending
from tests.fakes.client import Bench, bench, request
from tests.fakes.upstream import answer, eventually, soon
from tests.proof.stage import reset_on_close

_log = logging.getLogger(__name__)
COUNT = 10_000 if os.environ.get("OLLAMON_FULL") else 200
LIMIT_S = 5.0
BODY = b'{"model":"tiny","prompt":"' + b"x" * 3000 + b'"}'
LINES = b"".join(b'{"a":%d}\n' % number for number in range(100))
STREAM = answer(LINES, is_chunked=True)
HEAD_END = STREAM.index(b"\r\n\r\n") + 4
PHASES = ("prefill", "stream", "plain", "upload")


async def abort(stage: Bench, rng: random.Random, phase: str) -> float:
    """Begin an exchange, leave in the phase; return seconds until upstream saw the close."""
    told, stop = asyncio.Event(), rng.randrange(HEAD_END, len(STREAM) - 5)
    number = len(stage.upstream.connections)

    async def script(connection, found):
        if phase == "stream":
            await connection.send(STREAM[:stop])
        elif phase == "plain":
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        told.set()
        await asyncio.Event().wait()

    stage.upstream.script = script
    client = await stage.client()
    whole = request("POST", "/api/chat", BODY)
    end = rng.randrange(whole.index(b"\r\n\r\n") + 4, len(whole)) if phase == "upload" else None
    await client.send(whole[:end])
    await soon(told.wait())
    if phase in ("stream", "plain"):
        await client.read_until(b"\r\n\r\n")
    connection = stage.upstream.connections[number]
    began = time.monotonic()
    match rng.choice(["reset", "abort", "close"]):
        case "reset":
            reset_on_close(client.writer)
            client.leave()
        case "abort":
            client.leave()
        case _:
            client.writer.close()
    await connection.closed()
    took = time.monotonic() - began
    stage.clients.clear()
    return took


@pytest.mark.timeout(600 if COUNT > 200 else 120)
async def test_upstream_is_told_in_every_phase():
    took = []
    async with bench() as stage:
        await abort(stage, random.Random(0), "stream")
        await stage.until_quiet()
        files, tasks = psutil.Process().num_fds(), len(asyncio.all_tasks())
        for count in range(COUNT):
            rng = random.Random(f"abort {count}")
            took.append(await abort(stage, rng, PHASES[count % len(PHASES)]))
        await stage.until_quiet()
        assert stage.meter.endings == [Ending.CLIENT_GONE] * (COUNT + 1)
        assert [tap.status for tap in stage.meter.taps[1:5]] == [None, 200, 200, None]
        assert len(stage.relay.pool) == 0
        await eventually(lambda: psutil.Process().num_fds() <= files)
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
    middle, high = statistics.median(took), statistics.quantiles(took, n=100)[98]
    _log.info("client gone, upstream closed: p50 %.2f ms, p99 %.2f ms", middle * 1e3, high * 1e3)
    assert max(took) < LIMIT_S


async def leave_while_connecting(stage: Bench) -> None:
    client = await stage.client()
    await client.send(request("POST", "/api/chat", BODY))
    client.leave()


async def test_leaving_at_once_leaves_nothing():
    """Before, while and after we connect: as it happens to come."""
    async with bench() as stage:
        files = psutil.Process().num_fds()
        for _ in range(COUNT // 10):
            await asyncio.gather(*(leave_while_connecting(stage) for _ in range(10)))
        await eventually(lambda: stage.relay.connections == 0)
        await stage.until_quiet()
        assert set(stage.meter.endings) <= {Ending.CLIENT_GONE}
        assert len(stage.relay.pool) == 0
        stage.clients.clear()
        await eventually(lambda: psutil.Process().num_fds() <= files)
