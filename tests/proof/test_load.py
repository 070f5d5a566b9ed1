"""Many at once, slow ones, races and ends at any moment, through a real process.

A slice here; OLLAMON_FULL=1 takes the numbers of the design.
"""

import asyncio
import contextlib
import logging
import os
import random
import signal
import statistics
import time
from collections.abc import AsyncIterator

import psutil
import pytest

from tests.fakes.upstream import WAIT_S, soon
from tests.proof.crowd import LAST_LINE, Proxy, crowding, post

FULL = bool(os.environ.get("OLLAMON_FULL"))
STREAMS, SECONDS = (1_000, 120) if FULL else (150, 1)
MOST_RESIDENT = 150 << 20
STALLED_MB = 600 if FULL else 96
MOST_STALLED = 8 << 20
SLOW_HEADS = 2_000 if FULL else 300
RACES = 10_000 if FULL else 300
ENDS = 200 if FULL else 3
LANES = 8

_log = logging.getLogger(__name__)


def resident(proxy: Proxy) -> int:
    return psutil.Process(proxy.child.process.pid).memory_info().rss


def stream(seconds: float, lines: int) -> bytes:
    return post("/api/chat", *("installed-0:7b", f"X-Pace: {seconds}", f"X-Lines: {lines}"))


async def read_stream(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """How many lines came, and whether the answer looks complete."""
    lines = 0
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            lines += line.startswith(b"{") and line != LAST_LINE
            if line == b"0\r\n":
                return lines, True
    return lines, False


@pytest.mark.timeout(900 if FULL else 120)
async def test_streams_at_once_lose_no_line_and_stay_small(new_child):
    """Half of them bring 20 tokens a second, the others wait in the middle."""
    lines = 20 * SECONDS

    async def one(proxy: Proxy, number: int) -> int:
        is_slow = number % 2
        request = stream(SECONDS if is_slow else 1 / 20, 2 if is_slow else lines)
        async with proxy.asking(request) as got:
            found, is_whole = await read_stream(got)
        assert is_whole
        return found

    async with crowding(new_child) as proxy:
        before = resident(proxy)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(proxy, number)) for number in range(STREAMS)]
            await asyncio.sleep(SECONDS / 2)
            most = resident(proxy)
        got = [task.result() for task in running]
        assert got == [2 if number % 2 else lines for number in range(STREAMS)]
        assert await proxy.total("ollama_proxy_requests_total", STREAMS) == STREAMS
        assert await proxy.total("ollama_proxy_streamed_chunks_total") == sum(got)
    _log.info("%d streams, %d MB with them, %d before", STREAMS, most >> 20, before >> 20)
    assert most < MOST_RESIDENT


@pytest.mark.timeout(600 if FULL else 120)
async def test_a_reader_that_stalls_costs_no_memory(new_child):
    async with crowding(new_child) as proxy:
        await proxy.ask_all([post("/api/chat")] * 50)
        before = resident(proxy)
        request = post("/api/blobs/large", "m", f"X-Megabytes: {STALLED_MB}")
        async with proxy.asking(request) as reader:
            await reader.readuntil(b"\r\n\r\n")
            reader._transport.pause_reading()
            sent = -1
            while sent != proxy.upstream.sent:
                sent = proxy.upstream.sent
                await asyncio.sleep(0.5)
            stalled = resident(proxy)
            assert sent < STALLED_MB << 20, "upstream was not held up"
            reader._transport.resume_reading()
            left = STALLED_MB << 20
            while left and (piece := await soon(reader.read(1 << 20))):
                left -= len(piece)
            assert left == 0
        grown = max(stalled, resident(proxy)) - before
    _log.info(
        "%d MB asked for, %d MB taken while stalled, grown by %d KB",
        STALLED_MB,
        sent >> 20,
        grown >> 10,
    )
    assert grown <= MOST_STALLED


@pytest.mark.timeout(300)
async def test_slow_heads_are_closed_in_time_and_delay_nobody(new_child):
    async with crowding(new_child) as proxy, contextlib.AsyncExitStack() as open_ones:
        quick = await latencies(proxy, 500)
        began = time.monotonic()
        readers = []
        for _ in range(SLOW_HEADS):
            half = b"POST /api/chat HTTP/1.1\r\nHost: loc"
            readers.append(await open_ones.enter_async_context(proxy.asking(half)))
        beside = await latencies(proxy, 500)
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(reader.read()) for reader in readers]
        took = time.monotonic() - began
    assert {task.result().split(b"\r\n")[0] for task in answers} == {
        b"HTTP/1.1 408 Request Timeout"
    }
    _log.info(
        "%d slow heads closed after %.1f s; p99 of others %.4f s, before %.4f s",
        SLOW_HEADS,
        took,
        beside,
        quick,
    )
    assert took <= 12 + SLOW_HEADS / 1_000
    assert beside < quick + 0.1


async def latencies(proxy: Proxy, count: int) -> float:
    """The 99th percentile of requests one after the other, in seconds."""
    found = []
    reader, writer = await proxy.connect()
    for _ in range(count):
        began = time.monotonic()
        writer.write(post("/api/chat"))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        found.append(time.monotonic() - began)
    writer.close()
    await writer.wait_closed()
    return statistics.quantiles(found, n=100)[98]


@pytest.mark.timeout(600 if FULL else 120)
async def test_an_upstream_that_closes_just_then_never_gets_a_request_twice(new_child):
    rng = random.Random("races")
    outcomes: list[tuple[str, bytes]] = []

    async def lane(proxy: Proxy, numbers: range) -> None:
        reader, writer = await proxy.connect()
        for number in numbers:
            then = f"X-Then: {rng.random() * 0.002:.6f}"
            request = post("/api/chat", "installed-0:7b", f"X-Number: {number}", then)
            is_get = bool(number % 2)
            if is_get:
                lines = ["GET /api/tags HTTP/1.1", "Host: localhost", f"X-Number: {number}", then]
                request = "\r\n".join([*lines, "", ""]).encode()
            writer.write(request)
            head = await soon(reader.readuntil(b"\r\n\r\n"))
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            await soon(reader.readexactly(length))
            outcomes.append(("GET" if is_get else "POST", head[9:12]))
            await asyncio.sleep(rng.random() * 0.002)
        writer.close()
        await writer.wait_closed()

    async with crowding(new_child) as proxy:
        async with asyncio.TaskGroup() as tasks:
            for i in range(LANES):
                tasks.create_task(lane(proxy, range(i, RACES, LANES)))
        posts = [proxy.upstream.numbers[str(number)] for number in range(0, RACES, 2)]
    assert max(posts) == 1
    assert {status for method, status in outcomes if method == "GET"} == {b"200"}
    failed = sum(status == b"502" for _, status in outcomes)
    assert {status for _, status in outcomes} <= {b"200", b"502"}
    _log.info("%d races, %d POSTs lost and told so, none twice", RACES, failed)


@contextlib.asynccontextmanager
async def clients(proxy: Proxy) -> AsyncIterator[list["asyncio.Task[tuple[int, bool]]"]]:
    """Streams that end by themselves after 0.2 to 2 s."""
    rng = random.Random("clients")

    async def one() -> tuple[int, bool]:
        request = stream(0.02, rng.randrange(10, 100))
        with contextlib.suppress(ConnectionError):
            async with proxy.asking(request) as reader:
                return await read_stream(reader)
        return 0, False

    async with asyncio.TaskGroup() as tasks:
        yield [tasks.create_task(one()) for _ in range(20)]


@pytest.mark.timeout(1800 if FULL else 120)
async def test_an_end_at_any_moment_cuts_what_it_must_and_says_so(new_child):
    """SIGTERM, sometimes twice: exit code 0, and nothing that was cut looks complete."""
    rng = random.Random("ends")
    whole = cut = 0
    for _ in range(ENDS):
        async with crowding(new_child, proxy={"drain_timeout": "500ms"}) as proxy:
            async with clients(proxy) as running:
                await asyncio.sleep(rng.random())
                proxy.child.process.send_signal(signal.SIGTERM)
                if rng.random() < 0.3:
                    await asyncio.sleep(rng.random() * 0.3)
                    proxy.child.process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(proxy.child.process.wait, WAIT_S) == 0
            for task in running:
                _, is_whole = task.result()
                whole += is_whole
                cut += not is_whole
    _log.info("%d ends: %d answers whole, %d cut", ENDS, whole, cut)
    assert whole
    assert cut
