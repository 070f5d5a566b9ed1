"""A flood of names leaves a small exposition, and a scrape of it delays no token.

100,000 random models and as many random paths with OLLAMON_FULL, else a slice. All models that may
have series of their own have them, so that the exposition is as large as it gets.
"""

import asyncio
import contextlib
import json
import logging
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ollamon.config.model import Config
from ollamon.proxy.labels import METHODS, most_models
from ollamon.proxy.routes import ENDPOINTS
from tests.proof.crowd import INSTALLED, Proxy, crowding, post

FULL = bool(os.environ.get("OLLAMON_FULL"))
COUNT = 100_000 if FULL else 1_000
ROUNDS = 40 if FULL else 5
STREAMS = 4
LINE_EVERY_S = 0.004
# A model has about 260 series; what has no such label, fewer than 1,000 together.
MODELS = most_models(Config().metrics.max_models)
MOST_SERIES = 260 * MODELS + 1_000
MOST_BYTES = 1_000_000
MOST_DELAY_S = 0.010


def flood(count: int) -> Iterator[bytes]:
    """Requests for models and paths that nobody has heard of."""
    rng = random.Random("flood")
    for _ in range(count):
        yield post("/api/chat", f"{rng.getrandbits(64):x}")
        path = rng.choice(["/", "/api/", "/v1/", "/api/chat/"]) + f"{rng.getrandbits(64):x}"
        yield post(path, f"{rng.getrandbits(64):x}")


def fill() -> Iterator[bytes]:
    """Requests that give every model all its series, on the endpoints that people use."""
    for name in INSTALLED:
        for path in ("/api/chat", "/v1/chat/completions"):
            yield post(path, name)


def everywhere() -> Iterator[bytes]:
    """Known models by all methods on all paths: some 6,000 combinations of labels."""
    for path in sorted(ENDPOINTS):
        for method in sorted(METHODS - {"HEAD"}):
            for name in INSTALLED:
                yield post(path.replace("other", "/other"), name).replace(
                    b"POST", method.encode(), 1
                )


class Watch:
    """Streams whose lines say when they were sent; the longest delay is kept."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.lines = 0

    async def follow(self, proxy: Proxy, opened: asyncio.Event) -> None:
        request = post("/api/chat", INSTALLED[0], f"X-Pace: {LINE_EVERY_S}")
        async with proxy.asking(request) as reader:
            while line := await reader.readline():
                if line.startswith(b"{"):
                    sent = float(json.loads(line)["message"]["content"])
                    self.worst = max(self.worst, time.monotonic() - sent)
                    self.lines += 1
                    opened.set()

    @contextlib.asynccontextmanager
    async def on(self, proxy: Proxy) -> AsyncIterator["Watch"]:
        async with asyncio.TaskGroup() as tasks:
            opened = [asyncio.Event() for _ in range(STREAMS)]
            running = [tasks.create_task(self.follow(proxy, each)) for each in opened]
            for each in opened:
                await each.wait()
            yield self
            for task in running:
                task.cancel()

    async def during(self, seconds: float) -> float:
        """The longest delay of the next seconds."""
        self.worst = 0.0
        await asyncio.sleep(seconds)
        return self.worst


def assert_bounded(text: str, openmetrics: str) -> None:
    samples = [sample for family in parse_text(text) for sample in family.samples]
    assert len(samples) < MOST_SERIES
    assert list(parse_openmetrics(openmetrics))
    assert len(text) < MOST_BYTES
    assert len(openmetrics) < MOST_BYTES
    asked = {sample.labels["model"] for sample in samples if "model" in sample.labels}
    assert len(asked) <= MODELS
    ended = sum(each.value for each in samples if each.name == "ollama_proxy_requests_total")
    assert ended >= 2 * COUNT


async def delays_of_scrapes(proxy: Proxy, watch: Watch) -> tuple[list[float], list[float]]:
    """The longest delay while a scrape is rendered, and in as long a time without one, in turns."""
    scraped, quiet = [], []
    for _ in range(ROUNDS):
        await proxy.fresh()
        watch.worst, began, before = 0.0, time.monotonic(), watch.lines
        await proxy.scrape()
        took = time.monotonic() - began
        scraped.append(watch.worst)
        assert watch.lines > before
        quiet.append(await watch.during(took))
    return scraped, quiet


@pytest.mark.timeout(1800 if FULL else 120)
async def test_a_flood_of_names_leaves_a_small_exposition_whose_scrape_delays_no_token(new_child):
    async with crowding(new_child) as proxy:
        await proxy.ask_all(fill())
        await proxy.ask_all(flood(COUNT))
        await proxy.ask_all(everywhere())
        await proxy.fresh()
        text = await proxy.scrape()
        openmetrics = await proxy.scrape("application/openmetrics-text;version=1.0.0")
        assert_bounded(text, openmetrics)
        async with Watch().on(proxy) as watch:
            scraped, quiet = await delays_of_scrapes(proxy, watch)
    figures = (*map(statistics.median, (scraped, quiet)), *map(max, (scraped, quiet)))
    words = "longest delay of a line, median %.4f and without a scrape %.4f s; most %.4f and %.4f s"
    logging.getLogger(__name__).info(words, *figures)
    words = "%d lines, %d bytes, %d in OpenMetrics"
    logging.getLogger(__name__).info(words, text.count("\n"), len(text), len(openmetrics))
    # Other work here makes some scrapes late; a render that holds the loop makes each of them.
    usual = statistics.median if FULL else min
    assert usual(scraped) - usual(quiet) <= MOST_DELAY_S
