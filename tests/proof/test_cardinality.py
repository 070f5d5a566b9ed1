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
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ollamon.config.model import Config
from ollamon.proxy.labels import METHODS, most_models
from ollamon.proxy.routes import ENDPOINTS
from tests.fakes.children import Child
from tests.fakes.upstream import WAIT_S

FULL = bool(os.environ.get("OLLAMON_FULL"))
COUNT = 100_000 if FULL else 1_000
ROUNDS = 40 if FULL else 7
LANES = 16
STREAMS = 4
LINE_EVERY_S = 0.004
# A model has about 260 series; what has no such label, fewer than 1,000 together.
MODELS = most_models(Config().metrics.max_models)
MOST_SERIES = 260 * MODELS + 1_000
MOST_BYTES = 1_000_000
MOST_DELAY_S = 0.010
INSTALLED = [f"installed-{number}:7b" for number in range(Config().metrics.max_models)]
NDJSON = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Upstream(asyncio.Protocol):
    """Answers each request with what it asks for; a request with X-Pace streams the time."""

    def __init__(self, open_ones: set[asyncio.Transport]) -> None:
        self._open_ones = open_ones

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._open_ones.add(transport)
        self._data = b""
        self._pacing: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end or len(body) < length_of(head):
            return
        self._data = b""
        if b"\r\nX-Pace:" in head:
            self._transport.write(NDJSON)
            self._pace()
        else:
            self._transport.write(answer_to(head, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.discard(self._transport)
        if self._pacing is not None:
            self._pacing.cancel()

    def _pace(self) -> None:
        told = f"{time.monotonic():.6f}"
        line = b'{"model":"%b","message":{"content":"%b"},"done":false}\n' % (
            INSTALLED[0].encode(),
            told.encode(),
        )
        self._transport.write(b"%x\r\n%b\r\n" % (len(line), line))
        self._pacing = asyncio.get_running_loop().call_later(LINE_EVERY_S, self._pace)


def length_of(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length: ")
    return int(rest.partition(b"\r\n")[0] or b"0")


def answer_to(head: bytes, body: bytes) -> bytes:
    path = head.split(b" ", 2)[1].decode()
    match path:
        case "/api/tags" | "/api/ps":
            document: object = {"models": [{"name": name} for name in INSTALLED]}
        case "/api/version":
            document = {"version": "0.1.2"}
        case "/api/chat" | "/v1/chat/completions":
            document = {"model": json.loads(body)["model"], "done": True, "eval_count": 1}
        case _:
            document = {"error": "not found"}
    status = b"404 Not Found" if document == {"error": "not found"} else b"200 OK"
    text = json.dumps(document).encode()
    fields = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text)
    return b"HTTP/1.1 %b\r\n%b%b" % (status, fields, text)


def post(path: str, model: str, *fields: str) -> bytes:
    body = json.dumps({"model": model, "messages": []}).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


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


class Proxy:
    """A real proxy and its two ports."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def connect(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self._child.address(name).rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def ask_all(self, requests: Iterator[bytes]) -> None:
        """Ask on some connections at once, and read every answer whole."""

        async def lane() -> None:
            reader, writer = await self.connect("listen")
            for request in requests:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(length_of(head))
            writer.close()
            await writer.wait_closed()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(LANES):
                tasks.create_task(lane())

    async def scrape(self, accept: str = "text/plain") -> str:
        """Read /metrics on this loop: a thread of our own would be a delay of our own."""
        reader, writer = await self.connect("metrics_listen")
        writer.write(
            f"GET /metrics HTTP/1.1\r\nHost: {self._child.address('metrics_listen')}\r\n"
            f"Accept: {accept}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        async with asyncio.timeout(WAIT_S):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        assert head.startswith(b"HTTP/1.1 200 ")
        return body.decode()

    async def fresh(self) -> None:
        """Wait until the next scrape is rendered anew."""
        await asyncio.sleep(1.05)


class Watch:
    """Streams whose lines say when they were sent; the longest delay is kept."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.lines = 0

    async def follow(self, proxy: Proxy, opened: asyncio.Event) -> None:
        reader, writer = await proxy.connect("listen")
        writer.write(post("/api/chat", INSTALLED[0], "X-Pace: 1"))
        try:
            while line := await reader.readline():
                if line.startswith(b"{"):
                    sent = float(json.loads(line)["message"]["content"])
                    self.worst = max(self.worst, time.monotonic() - sent)
                    self.lines += 1
                    opened.set()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

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


@contextlib.asynccontextmanager
async def running(new_child: Callable[..., Child]) -> AsyncIterator[Proxy]:
    loop = asyncio.get_running_loop()
    open_ones: set[asyncio.Transport] = set()
    server = await loop.create_server(lambda: Upstream(open_ones), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    child = new_child("proxy", "listen", "metrics_listen")
    try:
        child.start({"ollama": {"url": url}})
        await asyncio.to_thread(child.wait_ready)
        proxy = Proxy(child)
        async with asyncio.timeout(WAIT_S):
            installed = f"ollama_models_installed {len(INSTALLED)}.0"
            while installed not in await proxy.scrape():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)
        yield proxy
        await asyncio.to_thread(child.stop)
    finally:
        server.close()
        for transport in open_ones:
            transport.abort()
        async with asyncio.timeout(WAIT_S):
            while open_ones:  # noqa: ASYNC110 - uvloop tells of their ends one by one
                await asyncio.sleep(0.01)


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
    async with running(new_child) as proxy:
        await proxy.ask_all(fill())
        await proxy.ask_all(flood(COUNT))
        await proxy.ask_all(everywhere())
        await proxy.fresh()
        text = await proxy.scrape()
        openmetrics = await proxy.scrape("application/openmetrics-text;version=1.0.0")
        assert_bounded(text, openmetrics)
        async with Watch().on(proxy) as watch:
            scraped, quiet = await delays_of_scrapes(proxy, watch)
    # The machine's own pauses hit both; a render that holds the loop makes every scrape late.
    added = statistics.median(scraped) - statistics.median(quiet)
    figures = (added, *map(max, (scraped, quiet)), text.count("\n"), len(text), len(openmetrics))
    words = "added %.4f s; most %.4f and %.4f s; %d lines, %d and %d bytes"
    logging.getLogger(__name__).info(words, *figures)
    assert added <= MOST_DELAY_S
