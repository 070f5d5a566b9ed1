"""The scripted upstream: cheap enough that what stands before it is what gets measured.

    python -m scripts.benches.proxying.upstream FD

FD is a listening socket. What a target's query says decides how a chat streams: `every` is the
time between two lines in milliseconds (0: two lines, then silence), `id` a name under which
`/lost?id=` tells when the client's connection was lost.
"""

import asyncio
import functools
import re
import socket
import sys
import time
from email.utils import formatdate

import uvloop

# The time of writing stands where the text is; both ends share the monotonic clock.
LINE = (
    b'{"model":"tiny","created_at":"2026-11-23T16:45:32.97348756Z",'
    b'"message":{"role":"assistant","content":"%016d"},"done":false}\n'
)
SMALL = (
    b'{"model":"tiny","created_at":"2026-11-23T16:45:32.97348756Z","message":{"role":"assistant",'
    b'"content":"Hello"},"done":true,"done_reason":"stop","total_duration":170112385,'
    b'"load_duration":62893425,"prompt_eval_count":11,"prompt_eval_duration":20317000,'
    b'"eval_count":2,"eval_duration":85371000}'
)
BARE = b'{"modelfile":"FROM tiny","details":{"family":"llama"}}'
BODY_BYTES = 1024 * 1024
_BODY = bytes(BODY_BYTES)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nDate: %b\r\n%b\r\n\r\n"
_NUMBER = re.compile(rb"(\w+)=(\d+)")
_LENGTH = re.compile(rb"\r\n(?i:content-length): *(\d+)")


@functools.lru_cache(1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def head(media_type: bytes, framing: bytes) -> bytes:
    return _HEAD % (media_type, _date(int(time.time())), framing)


def whole(body: bytes, media_type: bytes = b"application/json; charset=utf-8") -> bytes:
    return head(media_type, b"Content-Length: %d" % len(body)) + body


def stream_head() -> bytes:
    return head(b"application/x-ndjson", b"Transfer-Encoding: chunked")


def chunk() -> bytes:
    line = LINE % time.monotonic_ns()
    return b"%x\r\n%b\r\n" % (len(line), line)


class Upstream(asyncio.Protocol):
    """One connection."""

    lost: dict[int, int] = {}  # noqa: RUF012 - one ledger for all connections
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.buffer = b""
        self.left = 0
        self.answer = b""
        self.id = 0
        self.to_send = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self.id:
            self.lost[self.id] = time.monotonic_ns()
        self.to_send = 0

    def data_received(self, data: bytes) -> None:
        if self.left:
            self.take_body(data)
            return
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head, rest = self.buffer[:end], self.buffer[end + 4 :]
        self.buffer = b""
        length = _LENGTH.search(head)
        self.left = int(length[1]) if length else 0
        self.prepare(head.partition(b"\r\n")[0])
        self.take_body(rest)

    def take_body(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left == 0:
            self.respond()

    def prepare(self, line: bytes) -> None:
        path, _, query = line.split(b" ")[1].partition(b"?")
        self.options = {name: int(value) for name, value in _NUMBER.findall(query)}
        self.path = path

    def respond(self) -> None:
        match self.path:
            case b"/api/chat" if "every" in self.names():
                self.stream()
            case b"/api/chat":
                self.transport.write(whole(SMALL))
            case b"/lost":
                self.transport.write(whole(b"%d" % self.lost.pop(self.options[b"id"], 0)))
            case b"/api/blobs/down":
                self.to_send = self.options[b"mb"]
                length = b"Content-Length: %d" % (self.to_send << 20)
                self.transport.write(head(b"application/octet-stream", length))
                self.resume_writing()
            case _:
                self.transport.write(whole(BARE))

    def names(self) -> set[str]:
        return {name.decode() for name in self.options}

    def resume_writing(self) -> None:
        self.paused = False
        while self.to_send and not self.paused:
            self.to_send -= 1
            self.transport.write(_BODY)

    def pause_writing(self) -> None:
        self.paused = True

    def stream(self) -> None:
        self.id = self.options.get(b"id", 0)
        self.period = self.options[b"every"] / 1000
        self.transport.write(stream_head() + chunk())
        if self.period:
            self.next = self.loop.time() + self.period
            self.loop.call_at(self.next, self.line)
        else:
            self.transport.write(chunk())

    def line(self) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(chunk())
        self.next += self.period
        self.loop.call_at(self.next, self.line)


async def main() -> None:
    sock = socket.socket(fileno=int(sys.argv[1]))
    server = await asyncio.get_running_loop().create_server(Upstream, sock=sock, backlog=8192)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
