"""A scriptable upstream: a real server on port 0 that does what a test says, and keeps a ledger.

    async with Upstream(replay(path.read_bytes(), piece=7)) as upstream:
        ...  # talk to upstream.url
        assert upstream.connections[0].requests[0].target == b"/api/chat"

A script is called for each request as soon as its head is there; what it awaits decides when the
answer comes. `replay` and `sequence` make the usual ones. Requests are read by h11, an
independent parser: what it refuses fails the test when the server is left.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

import h11

T = TypeVar("T")

WAIT_S = 20.0
_READ = 64 * 1024


class Request:
    """A request as h11 read it.

    Attributes:
        method, target: As they came.
        fields: Name and value as they came, in order.
        body: What arrived so far, framing taken off.
        is_complete: Set when the whole body arrived.
    """

    def __init__(self, head: h11.Request) -> None:
        self.method = bytes(head.method)
        self.target = bytes(head.target)
        self.fields = [(bytes(name), bytes(value)) for name, value in head.headers.raw_items()]
        self.body = bytearray()
        self.is_complete = asyncio.Event()

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field, whatever the case of its name."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    async def whole_body(self) -> bytes:
        """Wait for the end of the body and return it."""
        await soon(self.is_complete.wait())
        return bytes(self.body)


Script = Callable[["Connection", Request], Awaitable[None]]


class Connection:
    """One connection that was accepted.

    Attributes:
        received: Every byte that came, in order.
        requests: Those whose head is complete.
        is_closed: Set when the peer closed or reset it, or we did.
        was_reset: It ended by a reset of the peer.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, script: Script
    ) -> None:
        self.received = bytearray()
        self.requests: list[Request] = []
        self.is_closed = asyncio.Event()
        self.was_reset = False
        self._reader = reader
        self._writer = writer
        self._script = script
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self._running: asyncio.Task[None] | None = None

    async def send(self, data: bytes, piece: int = 0) -> None:
        """Send all of `data`; with `piece`, in writes of that many bytes, each on its own."""
        size = piece or len(data) or 1
        for start in range(0, len(data), size):
            self._writer.write(data[start : start + size])
            await self._writer.drain()
            if piece:
                await asyncio.sleep(0)

    async def send_all_you_can(self, data: bytes) -> None:
        """Send `data` again and again until the peer takes no more for a while or closes."""
        with contextlib.suppress(TimeoutError, OSError):
            while not self.is_closed.is_set():
                self._writer.write(data)
                async with asyncio.timeout(1.0):
                    await self._writer.drain()

    def close(self) -> None:
        """Send what is waiting, then close: FIN."""
        self._writer.close()
        self.is_closed.set()

    def half_close(self) -> None:
        """Send FIN, and go on reading."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Close with a reset."""
        sock = self._writer.get_extra_info("socket")
        if sock is not None and not self._writer.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self.is_closed.set()

    def pause_reading(self) -> None:
        """Read no more, so that the peer cannot send on; also sees no close."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """Read on."""
        self._may_read.set()

    async def closed(self) -> None:
        """Wait until the peer closed the connection."""
        await soon(self.is_closed.wait())

    async def serve(self) -> None:
        """Read until the end; run the script once for each request, one after the other."""
        try:
            while True:
                await self._may_read.wait()
                data = await self._reader.read(_READ)
                if not data:
                    break
                self.received += data
                await self._take(data)
        except ConnectionError:
            self.was_reset = True
        finally:
            self.is_closed.set()
            if self._running is not None:
                self._running.cancel()
                await asyncio.wait({self._running})
            self._writer.close()
        if self._running is not None and not self._running.cancelled():
            error = self._running.exception()
            if error is not None and not isinstance(error, OSError):
                raise error

    async def _take(self, data: bytes) -> None:
        self._parser.receive_data(data)
        while True:
            event = self._parser.next_event()
            match event:
                case h11.Request():
                    self.requests.append(Request(event))
                    await self._run(self.requests[-1])
                case h11.Data():
                    self.requests[-1].body += event.data
                case h11.EndOfMessage():
                    self.requests[-1].is_complete.set()
                    self._next_request()
                case _:
                    return

    async def _run(self, request: Request) -> None:
        previous = self._running

        async def after_the_one_before() -> None:
            if previous is not None:
                await previous
            await self._script(self, request)

        self._running = asyncio.get_running_loop().create_task(after_the_one_before())

    def _next_request(self) -> None:
        """h11 wants to see our answer before the next request; it does not, so begin anew."""
        rest, _ = self._parser.trailing_data
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        if rest:
            self._parser.receive_data(rest)


class Upstream:
    """The server. Use it as an async context manager.

    Attributes:
        script: What it does; may be replaced while it runs.
        connections: All that were accepted, in order.
        port, url: Where it listens.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections: list[Connection] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._errors: list[Exception] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """The requests of all connections."""
        return [request for connection in self.connections for request in connection.requests]

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        if self._errors and error is None:
            raise self._errors[0]

    async def listen(self, port: int = 0) -> None:
        """Begin to listen; on the port of before, for a restart."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def connection(self, number: int = 0) -> Connection:
        """Wait until so many connections and one more were made; return that one."""
        await self.until(lambda: len(self.connections) > number)
        return self.connections[number]

    async def request(self, number: int = 0) -> Request:
        """Wait until so many requests and one more came; return that one."""
        await self.until(lambda: len(self.requests) > number)
        return self.requests[number]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, or fail."""
        await eventually(is_so)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(reader, writer, lambda *args: self.script(*args))
        self.connections.append(connection)
        try:
            await connection.serve()
        except asyncio.CancelledError:
            connection.reset()
        except Exception as error:  # noqa: BLE001 - raised again by __aexit__
            self._errors.append(error)
            connection.reset()
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


def replay(
    data: bytes,
    *,
    piece: int = 0,
    stop_at: int | None = None,
    then: str = "",
    gates: dict[int, asyncio.Event] | None = None,
    early: bool = False,
) -> Script:
    """Answer every request with recorded bytes.

    Args:
        data: The answer, with its head and framing.
        piece: Size of each write; 0 sends as much as there is at once.
        stop_at: Send only so many bytes.
        then: What follows: "" keeps the connection, "close" sends FIN, "reset" a reset.
        gates: Offset -> event to wait for before the byte at that offset is sent.
        early: Answer at the head, without waiting for the request's body.
    """

    async def script(connection: Connection, request: Request) -> None:
        if not early:
            await request.is_complete.wait()
        sent = 0
        end = len(data) if stop_at is None else stop_at
        for offset, gate in sorted((gates or {}).items()):
            await connection.send(data[sent : min(offset, end)], piece)
            sent = offset
            await gate.wait()
        await connection.send(data[sent:end], piece)
        if then == "close":
            connection.close()
        elif then == "reset":
            connection.reset()

    return script


def sequence(*scripts: Script) -> Script:
    """Let each request have the next script; the last one stays."""
    left = list(scripts)

    async def script(connection: Connection, request: Request) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        await now(connection, request)

    return script


async def silence(_connection: Connection, _request: Request) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def answer(
    body: bytes = b"{}", status: bytes = b"200 OK", *fields: bytes, is_chunked: bool = False
) -> bytes:
    """Return the bytes of a simple answer; every line of the body is a chunk when chunked."""
    if not is_chunked:
        head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields, b"\r\n"]
        return b"\r\n".join(head) + body
    head = [b"HTTP/1.1 " + status, b"Transfer-Encoding: chunked", *fields, b"\r\n"]
    chunks = (b"%x\r\n%b\r\n" % (len(line), line) for line in body.splitlines(keepends=True))
    return b"\r\n".join(head) + b"".join(chunks) + b"0\r\n\r\n"


async def eventually(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; fail after `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        while not is_so():  # noqa: ASYNC110 - anything may be asked
            await asyncio.sleep(0.002)


async def soon(waited: Awaitable[T]) -> T:
    """Await something that must come; fail after `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        return await waited
