"""An upstream and a client for bodies of any size: both hash what they get, neither keeps it.

What the answer shall be stands in the request's field `X-Want`; what came stands in the answer's
field `X-Got`. Framing is read by splitting, apart from the product and from h11.
"""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from tests.fakes.upstream import soon

FRAMINGS_UP = ("length", "chunked")
FRAMINGS_DOWN = ("length", "chunked", "close")
_BLOCK = random.Random(7).randbytes(1 << 20)


@dataclass(frozen=True)
class Body:
    """A body by rule: `seed` makes its bytes, `write` is the size of a write and of a chunk."""

    size: int
    seed: int
    framing: str
    write: int

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in pieces of a write; a large body repeats one block, each time turned."""
        left, turn = self.size, self.seed % len(_BLOCK)
        while left:
            block = _BLOCK[turn:] + _BLOCK[:turn] if turn else _BLOCK
            block = block[: min(left, len(block))]
            for start in range(0, len(block), self.write):
                yield block[start : start + self.write]
            left -= len(block)
            turn = (turn * 31 + 17) % len(_BLOCK)

    def framed(self) -> Iterator[bytes]:
        """The bytes of each write."""
        if self.framing != "chunked":
            yield from self.pieces()
            return
        for piece in self.pieces():
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
        yield b"0\r\n\r\n"

    @property
    def fields(self) -> bytes:
        framing = {
            "length": b"Content-Length: %d\r\n" % self.size,
            "chunked": b"Transfer-Encoding: chunked\r\n",
        }
        return framing.get(self.framing, b"")

    @property
    def digest(self) -> str:
        found = hashlib.sha256()
        for piece in self.pieces():
            found.update(piece)
        return found.hexdigest()

    def told(self) -> str:
        return f"{self.size} {self.seed} {self.framing} {self.write}"

    @classmethod
    def of(cls, text: str) -> "Body":
        size, seed, framing, write = text.split()
        return cls(int(size), int(seed), framing, int(write))


@dataclass(frozen=True)
class Got:
    """What the client got: status, hash of the body, and what upstream says that it got."""

    status: int
    digest: str
    upstream_got: str
    body_size: int


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.lower(): value.strip() for name, _, value in pairs}


async def _read_body(
    reader: asyncio.StreamReader, fields: dict[str, str], *, may_last: bool
) -> AsyncIterator[bytes]:
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            async for piece in _exactly(reader, size):
                yield piece
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
    elif "content-length" in fields:
        async for piece in _exactly(reader, int(fields["content-length"])):
            yield piece
    elif may_last:
        while piece := await reader.read(1 << 18):
            yield piece


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size:
        piece = await reader.read(min(size, 1 << 18))
        assert piece, "cut"
        yield piece
        size -= len(piece)


async def _send(writer: asyncio.StreamWriter, body: Body) -> None:
    for count, piece in enumerate(body.framed()):
        writer.write(piece)
        await writer.drain()
        if body.write < 1000 and count % 3 == 0:
            # Small writes only stay apart when the other side gets to read.
            await asyncio.sleep(0)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = _fields(head)
            seen = hashlib.sha256()
            async for piece in _read_body(reader, fields, may_last=False):
                seen.update(piece)
            want = Body.of(fields.get("x-want", "2 0 length 2"))
            writer.write(
                b"HTTP/1.1 200 OK\r\nX-Got: %b\r\n%b\r\n" % (seen.hexdigest().encode(), want.fields)
            )
            await _send(writer, want)
            if want.framing == "close":
                break
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    """Run the upstream; yields its port."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await _serve(reader, writer)
        finally:
            writer.transport.abort()
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(set(running))
        await asyncio.sleep(0)


async def exchange(port: int, up: Body | None, down: Body, minor: int = 1) -> Got:
    """Send `up` and read `down` on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        lines = b"POST /api/blobs/x HTTP/1.%d\r\nHost: localhost\r\nX-Want: %b\r\n" % (
            *(minor, down.told().encode()),
        )
        writer.write(lines + (up.fields if up else b"") + b"\r\n")
        if up is not None:
            await _send(writer, up)
        head = await soon(reader.readuntil(b"\r\n\r\n"))
        fields, seen, size = _fields(head), hashlib.sha256(), 0
        async for piece in _read_body(reader, fields, may_last=True):
            seen.update(piece)
            size += len(piece)
        return Got(int(head.split(b" ")[1]), seen.hexdigest(), fields.get("x-got", ""), size)
    finally:
        writer.transport.abort()
