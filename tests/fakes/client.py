"""A client of raw bytes, and the relay in this process between it and a scripted upstream."""

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import h11

from ollamon.access import ProxyAccess
from ollamon.proxy.pool import UpstreamAddress
from ollamon.proxy.relay import Limits, Relay, RelaySettings, relaying
from ollamon.proxy.timers import Timeouts
from tests.fakes.meter import RecordingMeter
from tests.fakes.upstream import Script, Upstream, eventually, soon

QUICK = Timeouts(tick=0.02)


@dataclass
class Answer:
    """An answer as h11 read it.

    Attributes:
        raw: Its bytes, 1xx included.
        interim: Status of each 1xx before it.
        is_whole: The framing says that it ended.
        was_reset: The connection ended by a reset.
    """

    raw: bytearray = field(default_factory=bytearray)
    status: int = 0
    fields: tuple[tuple[bytes, bytes], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    interim: tuple[int, ...] = ()
    is_whole: bool = False
    was_reset: bool = False

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


class RawClient:
    """One connection to the relay."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._left = b""

    async def send(self, data: bytes, piece: int = 0) -> None:
        size = piece or len(data) or 1
        for start in range(0, len(data), size):
            self.writer.write(data[start : start + size])
            await self.writer.drain()
            if piece:
                await asyncio.sleep(0)

    async def ask(self, data: bytes, piece: int = 0) -> Answer:
        """Send a request and read its answer."""
        await self.send(data, piece)
        return await self.answer(data.partition(b" ")[0])

    async def answer(self, method: bytes = b"GET") -> Answer:
        """Read one answer, until its framing or the connection ends."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        answer = Answer()
        data, self._left = self._left, b""
        data = data or await self._read(answer)
        while not answer.was_reset:
            answer.raw += data
            try:
                parser.receive_data(data)
                if self._take(parser, answer):
                    break
            except h11.RemoteProtocolError:
                break
            data = await self._read(answer)
        return answer

    def _take(self, parser: h11.Connection, answer: Answer) -> bool:
        while True:
            match parser.next_event():
                case h11.InformationalResponse() as event:
                    answer.interim += (event.status_code,)
                case h11.Response() as event:
                    answer.status = event.status_code
                    answer.fields = tuple((bytes(k), bytes(v)) for k, v in event.headers)
                case h11.Data() as event:
                    answer.body += event.data
                case h11.EndOfMessage():
                    answer.is_whole = True
                    self._left = parser.trailing_data[0]
                    del answer.raw[len(answer.raw) - len(self._left) :]
                    return True
                case h11.ConnectionClosed():
                    return True
                case _:
                    return False

    async def _read(self, answer: Answer) -> bytes:
        try:
            return await soon(self.reader.read(65536))
        except ConnectionError:
            answer.was_reset = True
            return b""

    async def read_until(self, end: bytes) -> bytes:
        """Read up to and with `end`."""
        return await soon(self.reader.readuntil(end))

    async def read(self, size: int) -> bytes:
        """Read so many bytes."""
        return await soon(self.reader.readexactly(size))

    async def rest(self) -> tuple[bytes, bool]:
        """Read to the end of the connection; say whether it was a reset."""
        data = self._left
        try:
            while part := await soon(self.reader.read(65536)):
                data += part
        except ConnectionError:
            return data, True
        return data, False

    async def is_closed(self) -> bool:
        """Wait until the relay closes, with nothing left to read."""
        return (await self.rest())[0] == b""

    def leave(self) -> None:
        """Close at once."""
        self.writer.transport.abort()


@dataclass
class Bench:
    """The relay between clients and a scripted upstream."""

    relay: Relay
    meter: RecordingMeter
    upstream: Upstream
    port: int
    clients: list[RawClient]

    async def client(self, buffer: int = 0) -> RawClient:
        """Connect; `buffer` limits what the kernel holds for this client."""
        sock = socket.socket()
        sock.setblocking(False)
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        reader, writer = await asyncio.open_connection(sock=sock, limit=buffer or 2**16)
        self.clients.append(RawClient(reader, writer))
        return self.clients[-1]

    async def ask(self, data: bytes, piece: int = 0) -> Answer:
        """Send a request on a connection of its own."""
        client = await self.client()
        try:
            return await client.ask(data, piece)
        finally:
            client.leave()

    async def until_quiet(self) -> None:
        """Wait until nothing is in flight."""
        await eventually(lambda: self.relay.in_flight == 0 and self.meter.active == 0)


@contextlib.asynccontextmanager
async def bench(
    script: Script | None = None,
    *,
    meter: RecordingMeter | None = None,
    timeouts: Timeouts = QUICK,
    limits: Limits | None = None,
    access: ProxyAccess | None = None,
    upstream_url: str = "",
    address: UpstreamAddress | None = None,
    preserve_host: bool = False,
    inject_usage: bool = False,
) -> AsyncIterator[Bench]:
    """Run a relay in front of an upstream that does what `script` says."""

    async def nothing(*_: object) -> None:
        return

    meter = meter or RecordingMeter()
    async with Upstream(script or nothing) as upstream:
        settings = RelaySettings(
            upstream=address or UpstreamAddress.of(upstream_url or upstream.url),
            access=access or ProxyAccess(),
            preserve_host=preserve_host,
            inject_usage=inject_usage,
            timeouts=timeouts,
            limits=limits or Limits(),
        )
        sock = socket.create_server(("127.0.0.1", 0))
        async with relaying(settings, meter, sock) as relay:
            found = Bench(relay, meter, upstream, sock.getsockname()[1], [])
            try:
                yield found
            finally:
                for client in found.clients:
                    client.leave()
                relay.cut()
                await eventually(lambda: relay.connections == 0)
                assert relay.in_flight == 0
                assert meter.active == 0


def quick(**changes: float) -> Timeouts:
    """Timeouts with a fast clock and some of them changed."""
    return dataclasses.replace(QUICK, **changes)


def request(
    method: str = "GET", target: str = "/api/tags", body: bytes = b"", *fields: str
) -> bytes:
    """Return a plain request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + body
