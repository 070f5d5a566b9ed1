"""The clients: what they send, and the times at which answers come. Each call opens its own."""

import asyncio
import re
import time
from collections.abc import Callable

BODY = b'{"model":"tiny","messages":[{"role":"user","content":"hi"}],"stream":false}'
_STAMP = re.compile(rb'"content":"(\d{16})"')
_HOST = "127.0.0.1"


def post(target: str, body: bytes = BODY, length: int | None = None) -> bytes:
    """A request as the Python client of Ollama sends it."""
    head = (
        f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1:11434\r\nAccept-Encoding: gzip, deflate\r\n"
        "Connection: keep-alive\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
        "User-Agent: ollama-python/0.6.3 (x86_64 linux) Python/3.11.7\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]


class Stream(_Connection):
    """A chat whose tokens are timed while `is_timed`."""

    def __init__(self, begun: asyncio.Future[None]) -> None:
        self.begun = begun
        self.delays: list[int] = []
        self.lines = 0
        self.sent = 0
        self.first_token_ns = 0
        self.is_timed = False

    def ask(self, target: str) -> None:
        self.sent = time.monotonic_ns()
        self.transport.write(post(target))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        stamps = _STAMP.findall(data)
        if stamps and not self.first_token_ns:
            self.first_token_ns = now - self.sent
            self.begun.set_result(None)
        self.lines += len(stamps)
        if self.is_timed:
            self.delays += [now - int(stamp) for stamp in stamps]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.begun.done():
            self.begun.set_exception(ConnectionError("no token came"))


async def open_stream(port: int, target: str) -> Stream:
    """A stream whose first token came."""
    loop = asyncio.get_running_loop()
    begun = loop.create_future()
    _, stream = await loop.create_connection(lambda: Stream(begun), _HOST, port)
    stream.ask(target)
    await begun
    return stream


async def open_streams(port: int, number: int, every_ms: int, seconds: float) -> list[Stream]:
    """So many streams, begun at even distances, so that their tokens do not come in bursts."""
    target = f"/api/chat?every={every_ms}"
    begin = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        opening = []
        for index in range(number):
            opening.append(tasks.create_task(open_stream(port, target)))
            late = begin + seconds * (index + 1) / number - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, late))
    return [task.result() for task in opening]


class Asker(_Connection):
    """Sends the same request again and again on one connection."""

    def __init__(self, request: bytes, number: int, done: asyncio.Future[list[int]]) -> None:
        self.request = request
        self.left = number
        self.done = done
        self.times: list[int] = []
        self.got = bytearray()
        self.size = 0
        self.sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.ask()

    def ask(self) -> None:
        self.sent = time.monotonic_ns()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.got += data
        if not self.size:
            end = self.got.find(b"\r\n\r\n") + 4
            found = re.search(rb"\r\n(?i:content-length): *(\d+)", self.got)
            if found is None or end < 4:
                return
            self.size = end + int(found[1])
        if len(self.got) < self.size:
            return
        self.times.append(time.monotonic_ns() - self.sent)
        assert self.got.startswith(b"HTTP/1.1 200 ")
        self.got.clear()
        self.size = 0
        self.left -= 1
        if self.left:
            self.ask()
        else:
            self.done.set_result(self.times)
            self.transport.abort()


async def ask(port: int, request: bytes, number: int, connections: int = 1) -> list[int]:
    """Nanoseconds of each of `number` requests on each of so many connections at once."""
    loop = asyncio.get_running_loop()
    done = [loop.create_future() for _ in range(connections)]

    def asker(future: asyncio.Future[list[int]]) -> Callable[[], Asker]:
        return lambda: Asker(request, number, future)

    for future in done:
        await loop.create_connection(asker(future), _HOST, port)
    return [taken for times in await asyncio.gather(*done) for taken in times]


class Mover(_Connection):
    """Sends or takes one large body."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.can_write = asyncio.Event()
        self.can_write.set()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pause_writing(self) -> None:
        self.can_write.clear()

    def resume_writing(self) -> None:
        self.can_write.set()

    def data_received(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left <= 0 and not self.done.done():
            self.done.set_result(None)


async def download(port: int, megabytes: int) -> None:
    """Take a body of so many MiB."""
    loop = asyncio.get_running_loop()
    _, mover = await loop.create_connection(lambda: Mover(megabytes << 20), _HOST, port)
    mover.transport.write(post(f"/api/blobs/down?mb={megabytes}"))
    await mover.done
    mover.transport.abort()


async def upload(port: int, megabytes: int) -> None:
    """Send a body of so many MiB."""
    loop = asyncio.get_running_loop()
    _, mover = await loop.create_connection(lambda: Mover(1), _HOST, port)
    mover.transport.write(post("/api/blobs/up", b"", megabytes << 20))
    piece = bytes(1 << 20)
    for _ in range(megabytes):
        await mover.can_write.wait()
        mover.transport.write(piece)
    await mover.done
    mover.transport.abort()


async def cancel(port: int, upstream_port: int, number: int) -> int:
    """Nanoseconds from a client's leaving to upstream's seeing it."""
    stream = await open_stream(port, f"/api/chat?every=0&id={number}")
    left = time.monotonic_ns()
    stream.transport.abort()
    while True:
        reply = await _number(upstream_port, f"/lost?id={number}")
        if reply:
            return reply - left
        await asyncio.sleep(0.001)


async def _number(port: int, target: str) -> int:
    reader, writer = await asyncio.open_connection(_HOST, port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"Content-Length: (\d+)", head)
    assert found is not None
    value = int(await reader.readexactly(int(found[1])))
    writer.transport.abort()
    return value
