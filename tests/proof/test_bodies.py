"""Bodies of any size and framing are the same direct and proxied, byte for byte.

A slice here; OLLAMON_FULL=1 sends 10,000, and 4 GiB each way through a real process.
"""

import asyncio
import os
import random

import psutil
import pytest

from tests.fakes.client import bench
from tests.proof.echo import FRAMINGS_DOWN, FRAMINGS_UP, Body, echoing, exchange

FULL = bool(os.environ.get("OLLAMON_FULL"))
COUNT = 10_000 if FULL else 150
LARGE = 4 << 30 if FULL else 64 << 20
MAX = 8 << 20
GROWTH = 8 << 20


def random_body(rng: random.Random, framings: tuple[str, ...]) -> Body:
    """Mostly small; one in a hundred up to 8 MiB. So many writes at most that it stays quick."""
    top = rng.choice([0, 1, 100, 3000, 65_536, 65_537, 300_000] * 14 + [MAX, MAX])
    size = rng.randint(0, top) if rng.random() < 0.9 else top
    least = max(1, size // 2000)
    write = max(least, rng.choice([1, 2, 7, 100, 1460, 4096, 16_384, 65_536]))
    return Body(size, rng.randrange(1 << 30), rng.choice(framings), min(write, 65_536))


async def compare(rng: random.Random, direct: int, proxied: int) -> None:
    up = random_body(rng, FRAMINGS_UP) if rng.random() < 0.9 else None
    down = random_body(rng, FRAMINGS_DOWN)
    # HTTP/1.0 has no chunks: it gets them decoded.
    minor = 0 if rng.random() < 0.1 and (up is None or up.framing == "length") else 1
    one = await exchange(direct, up, down)
    other = await exchange(proxied, up, down, minor)
    assert one == other, (up, down, minor)
    assert one.digest == down.digest
    if up is not None:
        assert one.upstream_got == up.digest


@pytest.mark.timeout(3600 if FULL else 120)
async def test_random_bodies_are_the_same_direct_and_proxied():
    lanes = 4

    async def lane(number: int, direct: int, proxied: int) -> None:
        for count in range(number, COUNT, lanes):
            await compare(random.Random(f"body {count}"), direct, proxied)

    async with echoing() as direct, bench(upstream_url=f"http://127.0.0.1:{direct}") as stage:
        await asyncio.gather(*(lane(number, direct, stage.port) for number in range(lanes)))
        await stage.until_quiet()
        assert len(stage.meter.taps) == COUNT


@pytest.mark.timeout(1800 if FULL else 120)
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_body_of_gigabytes_passes_in_a_few_megabytes(new_child, way, framing):
    child = new_child("proxy", "listen", "metrics_listen")
    small, large = Body(2, 0, "length", 2), Body(LARGE, 1, framing, 65_536)
    async with echoing() as upstream:
        child.start({"ollama": {"url": f"http://127.0.0.1:{upstream}"}})
        await asyncio.to_thread(child.wait_ready)
        port = int(child.address("listen").rpartition(":")[2])
        await exchange(port, Body(1 << 20, 2, framing, 65_536), Body(1 << 20, 3, framing, 65_536))
        process = psutil.Process(child.process.pid)
        before = peak = process.memory_info().rss

        async with asyncio.TaskGroup() as tasks:
            up, down = (large, small) if way == "up" else (small, large)
            passing = tasks.create_task(exchange(port, up, down))
            while not passing.done():
                peak = max(peak, process.memory_info().rss)
                await asyncio.wait({passing}, timeout=0.02)
        got = passing.result()
        assert (got.status, got.digest, got.upstream_got) == (200, down.digest, up.digest)
        assert peak - before <= GROWTH, (before, peak)
