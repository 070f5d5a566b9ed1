"""Where the body of a message ends, without I/O. llhttp (httptools) reads chunks and nothing else.

A body takes reads as they come. `feed` returns the bytes to pass on under the same framing; after
it `payload` holds those of the body itself, `is_done` says whether it ended, and `rest` what came
after its end. A read that breaks the framing raises and is not passed on.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import httptools

from ollamon.proxy.http1 import RequestHead, ResponseHead

# llhttp limits neither chunk extensions nor leading zeros nor trailers.
MAX_BARREN = 16 * 1024
_CR = 13
LAST_CHUNK = b"0\r\n\r\n"
_LINE_END = b"\r\n"
# What llhttp calls, as pieces of no bytes that can be told apart.
_SIZE_READ = bytearray()
_CHUNK_READ = bytearray()
_MAX_FREE = 64
# llhttp never reads our heads: a minimal one makes it expect chunks.
_SYNTHETIC_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def _whole_chunk(size: int) -> bytes:
    """Return the size line with which a read of `size` bytes is one whole chunk.

    There is none for some sizes: a lone line feed, with which no chunk begins.
    """
    for digits in (1, 2, 3):
        line = b"%x\r\n" % max(0, size - digits - 4)
        if len(line) == digits + 2 and size > digits + 4:
            return line
    return b"\n"


_MAX_WHOLE = 1024
WHOLE_CHUNKS = tuple(map(_whole_chunk, range(_MAX_WHOLE)))
"""The size lines that make reads of each size one whole chunk."""


class BadBody(Exception):  # noqa: N818 - the counterpart of BadHead
    """Bytes that break the framing of a body."""


class Body(Protocol):
    """The body of one message; see the module."""

    payload: bytes
    rest: bytes
    is_done: bool

    def feed(self, data: bytes) -> bytes:
        """Take one read."""


class NoBody:
    """A message that ends with its head."""

    __slots__ = ("is_done", "payload", "rest")

    def __init__(self) -> None:
        self.payload = b""
        self.rest = b""
        self.is_done = True

    def feed(self, data: bytes) -> bytes:
        """Everything comes after the end."""
        self.rest = data
        return b""


class LengthBody:
    """A body of `length` bytes."""

    __slots__ = ("_left", "is_done", "payload", "rest")

    def __init__(self, length: int) -> None:
        self._left = length
        self.payload = b""
        self.rest = b""
        self.is_done = length == 0

    def feed(self, data: bytes) -> bytes:
        """Take one read."""
        left = self._left
        if len(data) > left:
            data, self.rest = data[:left], data[left:]
        self._left = left = left - len(data)
        if not left:
            self.is_done = True
        self.payload = data
        return data


class UntilCloseBody:
    """The body of an answer that lasts until the connection ends."""

    __slots__ = ("is_done", "payload", "rest")

    def __init__(self) -> None:
        self.payload = b""
        self.rest = b""
        self.is_done = False

    def feed(self, data: bytes) -> bytes:
        """Take one read."""
        self.payload = data
        return data


class ChunkedBody:
    """A body in chunks. Chunks pass verbatim, trailers do not pass.

    Token by token, a read is one whole chunk: what must stand at its begin and end follows from its
    size. llhttp is asked about all other reads; between two chunks it misses nothing by not having
    seen a whole one, and knows nothing of this body, so that one serves many.

    A read that ends between a chunk's size line and its first byte waits for the next one, because
    only that tells whether it was the last chunk, and a trailer, which must not pass, had begun.
    """

    __slots__ = (
        *("_barren", "_held", "_is_between", "_is_open", "_parser", "_tail"),
        *("is_done", "payload", "rest"),
    )

    def __init__(self) -> None:
        self.payload = b""
        self.rest = b""
        self.is_done = False
        self._barren = 0
        self._held = b""
        self._is_open = False
        self._is_between = True
        self._tail = b""
        self._parser: _Parser | None = None

    def feed(self, data: bytes) -> bytes:
        """Take one read.

        Raises:
            BadBody: It is no sequence of chunks.
        """
        if self._is_between and (size := len(data)) < _MAX_WHOLE:
            line = WHOLE_CHUNKS[size]
            if data.startswith(line) and data.endswith(_LINE_END):
                self.payload = data[len(line) : -2]
                return data
        parser = self._parser
        if parser is None:
            parser = self._parser = _FREE.pop() if _FREE else _Parser()
        try:
            if data.find(b"\r\n\r\n") < 0 and data[0] > _CR:
                parser.feed(data)
            else:
                data = self._feed_to_end(parser, data)
        except httptools.HttpParserError as error:
            raise BadBody(str(error)) from None
        out = self._settle(parser, data)
        if self._is_between or self.is_done:
            self._parser = None
            parser.free()
        return out

    def _settle(self, parser: "_Parser", data: bytes) -> bytes:
        pieces = parser.pieces
        self._tail = (self._tail + data[-3:])[-3:]
        self.payload = b"".join(pieces)
        if pieces:
            self._is_open = pieces[-1] is _SIZE_READ
            # After the end of a chunk this can be no line end of another one's size line.
            self._is_between = pieces[-1] is _CHUNK_READ and data.endswith(b"\n")
            if self._is_between:
                self._barren, self._tail = 0, b""
        else:
            self._is_between = False
        pieces.clear()
        if self.payload:
            self._barren = 0
        else:
            self._count_barren(len(data))
        if self.is_done:
            block, self._held = self._held + data, b""
            return _without_trailers(block, parser.trailers)
        return self._sift(data) if self._is_open or self._held else data

    def _feed_to_end(self, parser: "_Parser", data: bytes) -> bytes:
        """Feed a read that may hold the end, which is an empty line; return it up to there.

        llhttp does not say where the end was, so it gets no byte of what follows an empty line
        before it was asked.
        """
        start, shift = 0, len(self._tail)
        joined = self._tail + data
        while True:
            line = joined.find(b"\r\n\r\n", start)
            end = len(joined) if line < 0 else line + 4
            parser.feed(joined[max(start, shift) : end])
            if parser.is_done:
                self.is_done = True
                self.rest = joined[end:]
                return joined[shift:end]
            if end == len(joined):
                return data
            start = end

    def _count_barren(self, size: int) -> None:
        self._barren += size
        if self._barren > MAX_BARREN:
            raise BadBody("more than 16 KiB of chunk framing without a byte of the body")

    def _sift(self, data: bytes) -> bytes:
        """Hold a read back while it may end in trailers; let it go when that is known."""
        block, self._held = self._held + data, b""
        if self._is_open:
            self._held = block
            return b""
        return block


def _without_trailers(block: bytes, number: int) -> bytes:
    if not number:
        return block
    end = len(block) - 2
    for _ in range(number):
        end = block.rfind(b"\r\n", 0, end - 2) + 2
    return block[:end] + b"\r\n"


class _Parser:
    """An llhttp that reads chunks.

    Attributes:
        pieces: What it read: bytes of the body, and an empty piece for each size line and each end
            of a chunk. llhttp calls straight into the list, without a Python frame.
        trailers: Lines that followed the last chunk.
        is_done: The empty line after it was read.
    """

    __slots__ = ("feed", "is_done", "pieces", "trailers")

    def __init__(self) -> None:
        self.pieces: list[bytes | bytearray] = []
        self.feed: Callable[[bytes], None] = httptools.HttpRequestParser(_Callbacks(self)).feed_data
        self._begin()

    def _begin(self) -> None:
        # The field of the synthetic head is no trailer.
        self.trailers = -1
        self.is_done = False
        self.feed(_SYNTHETIC_HEAD)

    def free(self) -> None:
        """Serve another body: this one is between two chunks, or at its end."""
        if self.is_done:
            self._begin()
        if len(_FREE) < _MAX_FREE:
            _FREE.append(self)

    def trailer_seen(self, _name: bytes, _value: bytes) -> None:
        """A trailer line was read."""
        self.trailers += 1

    def ended(self) -> None:
        """The empty line after the last chunk was read."""
        self.is_done = True


_FREE: list[_Parser] = []


class _Callbacks:
    """What llhttp calls; it takes the methods and lets go of the object."""

    __slots__ = (
        *("on_body", "on_chunk_complete", "on_chunk_header", "on_header", "on_message_complete"),
    )

    def __init__(self, parser: _Parser) -> None:
        self.on_body = parser.pieces.append
        self.on_chunk_header = partial(parser.pieces.append, _SIZE_READ)
        self.on_chunk_complete = partial(parser.pieces.append, _CHUNK_READ)
        self.on_header = parser.trailer_seen
        self.on_message_complete = parser.ended


def chunk_of(payload: bytes) -> bytes:
    """Return bytes of a body as one chunk; none for no bytes, which would be the last one."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""


def body_of_request(head: RequestHead) -> Body:
    """Return how the body after a request head is framed."""
    if head.is_chunked:
        return ChunkedBody()
    return LengthBody(head.length) if head.length else NoBody()


def body_of_answer(head: ResponseHead, method: bytes) -> Body:
    """Return how the body after a final answer's head is framed. RFC 9112, section 6.3."""
    if method == b"HEAD" or head.status in (204, 304):
        return NoBody()
    if head.is_chunked:
        return ChunkedBody()
    if head.length is None:
        return UntilCloseBody()
    return LengthBody(head.length) if head.length else NoBody()


def is_reusable(head: ResponseHead, body: Body) -> bool:
    """Say whether upstream's connection may carry another request once this answer ended."""
    return head.minor == 1 and b"close" not in head.options and not isinstance(body, UntilCloseBody)
