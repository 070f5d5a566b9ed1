"""A real proxy child before a fast upstream that does what each request's fields say.

X-Pace: a stream with a line each so many seconds, each with the time it was sent at.
X-Lines: the stream ends after so many lines; without it, never.
X-Megabytes: an answer of so many, as fast as it is taken.
X-Then: the answer's connection is closed so many seconds after it.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from ollamon.config.model import Config
from tests.fakes.children import Child
from tests.fakes.upstream import WAIT_S

INSTALLED = [f"installed-{number}:7b" for number in range(Config().metrics.max_models)]
NDJSON = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LAST_LINE = b'{"model":"m","message":{"content":""},"done":true,"eval_count":9}\n'
LANES = 16
PIECE = bytes(1 << 18)


def field_of(head: bytes, name: str) -> str:
    """The value of a field of ours, "" when it is not there."""
    _, _, rest = head.lower().partition(b"\r\n" + name.lower().encode() + b": ")
    return rest.partition(b"\r\n")[0].decode()


def length_of(head: bytes) -> int:
    return int(field_of(head, "Content-Length") or 0)


def post(path: str, model: str = INSTALLED[0], *fields: str) -> bytes:
    body = json.dumps({"model": model, "messages": []}).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Hosted(asyncio.Protocol):
    """One connection of the upstream."""

    def __init__(self, upstream: "Upstream") -> None:
        self._upstream = upstream
        self._data = b""
        self._timer: asyncio.TimerHandle | None = None
        self._bytes_left = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._upstream.open_ones.add(transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end or len(body) < length_of(head):
            return
        self._data = b""
        self._upstream.numbers[field_of(head, "X-Number")] += 1
        if pace := field_of(head, "X-Pace"):
            self._transport.write(NDJSON)
            self._pace(float(pace), int(field_of(head, "X-Lines") or -1))
        elif megabytes := field_of(head, "X-Megabytes"):
            self._bytes_left = int(megabytes) << 20
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._bytes_left
            )
            self._send_on()
        else:
            self._transport.write(answer_to(head, body))
            if then := field_of(head, "X-Then"):
                self._later(float(then), self._transport.close)

    def resume_writing(self) -> None:
        self._is_full = False
        self._send_on()

    def pause_writing(self) -> None:
        self._is_full = True

    _is_full = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.open_ones.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()

    def _later(self, seconds: float, call: Callable[..., object], *args: object) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, call, *args)

    def _send_on(self) -> None:
        while self._bytes_left and not self._is_full and not self._transport.is_closing():
            self._bytes_left -= len(PIECE)
            self._upstream.sent += len(PIECE)
            self._transport.write(PIECE)

    def _pace(self, seconds: float, lines: int) -> None:
        if not lines:
            self._transport.write(chunk(LAST_LINE) + b"0\r\n\r\n")
            return
        said = b'{"model":"%b","message":{"content":"%.6f"},"done":false}\n'
        line = said % (INSTALLED[0].encode(), time.monotonic())
        self._transport.write(chunk(line))
        self._later(seconds, self._pace, seconds, lines - 1)


def answer_to(head: bytes, body: bytes) -> bytes:
    path = head.split(b" ", 2)[1].decode()
    status = b"200 OK"
    match path:
        case "/api/tags" | "/api/ps":
            document: object = {"models": [{"name": name} for name in INSTALLED]}
        case "/api/version":
            document = {"version": "0.1.2"}
        case "/api/chat" | "/v1/chat/completions":
            document = {"model": json.loads(body)["model"], "done": True, "eval_count": 1}
        case _:
            status, document = b"404 Not Found", {"error": "not found"}
    text = json.dumps(document).encode()
    fields = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text)
    return b"HTTP/1.1 %b\r\n%b%b" % (status, fields, text)


class Upstream:
    """The server.

    Attributes:
        numbers: How often a request with each X-Number came.
        sent: Bytes of large answers that were taken.
    """

    def __init__(self) -> None:
        self.open_ones: set[asyncio.Transport] = set()
        self.numbers: Counter[str] = Counter()
        self.sent = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve; yield the URL."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Hosted(self), "127.0.0.1", 0, backlog=4096)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for transport in self.open_ones:
                transport.abort()
            async with asyncio.timeout(WAIT_S):
                while self.open_ones:  # noqa: ASYNC110 - uvloop tells of their ends one by one
                    await asyncio.sleep(0.01)


class Proxy:
    """A real proxy and its two ports."""

    def __init__(self, child: Child, upstream: Upstream) -> None:
        self.child = child
        self.upstream = upstream

    async def connect(
        self, name: str = "listen"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.child.address(name).rpartition(":")
        return await asyncio.open_connection(host, int(port))

    @contextlib.asynccontextmanager
    async def asking(self, request: bytes) -> AsyncIterator[asyncio.StreamReader]:
        """Send a request on a connection of its own, closed at the end."""
        reader, writer = await self.connect()
        try:
            writer.write(request)
            yield reader
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def ask_all(self, requests: Iterable[bytes]) -> None:
        """Ask on some connections at once, and read every answer whole."""
        left: Iterator[bytes] = iter(requests)

        async def lane() -> None:
            reader, writer = await self.connect()
            for request in left:
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
            f"GET /metrics HTTP/1.1\r\nHost: {self.child.address('metrics_listen')}\r\n"
            f"Accept: {accept}\r\nConnection: close\r\n\r\n".encode()
        )
        async with asyncio.timeout(WAIT_S):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        assert head.startswith(b"HTTP/1.1 200 ")
        return body.decode()

    async def total(self, name: str, least: float = 0) -> float:
        """The sum of a family's samples, once it is so much."""
        async with asyncio.timeout(WAIT_S):
            while True:
                lines = (await self.scrape()).splitlines()
                values = [line.rpartition(" ")[2] for line in lines if line.startswith(name + "{")]
                if (found := sum(map(float, values))) >= least:
                    return found
                await self.fresh()

    async def fresh(self) -> None:
        """Wait until the next scrape is rendered anew."""
        await asyncio.sleep(1.05)


@contextlib.asynccontextmanager
async def crowding(
    new_child: Callable[..., Child], **section: dict[str, object]
) -> AsyncIterator[Proxy]:
    """Run both; the proxy knows the installed models."""
    upstream = Upstream()
    async with upstream.serving() as url:
        child = new_child("proxy", "listen", "metrics_listen")
        child.start({"ollama": {"url": url}, **section})
        await asyncio.to_thread(child.wait_ready)
        proxy = Proxy(child, upstream)
        async with asyncio.timeout(WAIT_S):
            installed = f"ollama_models_installed {len(INSTALLED)}.0"
            while installed not in await proxy.scrape():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)
        yield proxy
        if child.process.poll() is None:
            await asyncio.to_thread(child.stop)
