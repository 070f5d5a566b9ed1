"""Pieces of bytes -> lines of bounded size, without I/O.

A line is kept whole up to 64 KiB; of a longer one the first and last 4 KiB remain, where the model
and the counters stand: `context` precedes the counters of /api/generate and makes lines of 394 KB.
"""

from collections.abc import Iterator
from typing import NamedTuple

WHOLE = 64 * 1024
EDGE = 4 * 1024


class Line(NamedTuple):
    """One line without its end, or the edges of a long one.

    Attributes:
        head: The whole line, or its first 4 KiB.
        tail: The last 4 KiB of a line that is not whole, else None.
    """

    head: bytes
    tail: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return len(self.head) + len(self.tail or b"")


class LineBuffer:
    """Grows one line from pieces, in bounded memory."""

    __slots__ = ("_head", "_tail", "size")

    def __init__(self) -> None:
        # None while it is empty, as nearly always: each stream has one.
        self._head: bytearray | None = None
        self._tail: bytes | None = None
        self.size = 0
        """Bytes that are kept now."""

    def add(self, data: bytes) -> None:
        """Append a piece."""
        head = self._head
        if head is None:
            head = self._head = bytearray()
        if self._tail is None and len(head) + len(data) <= WHOLE:
            head += data
        else:
            self._clip(head, data)
        self.size = len(head) + len(self._tail or b"")

    def _clip(self, head: bytearray, data: bytes) -> None:
        if self._tail is None:
            # What precedes the last 4 KiB of this piece may itself reach into the head.
            self._tail = bytes(head[-EDGE:])
            head += data[:EDGE]
            del head[EDGE:]
        self._tail = data[-EDGE:] if len(data) >= EDGE else (self._tail + data)[-EDGE:]

    def take(self) -> Line:
        """Return the line and begin a new one."""
        line = Line(bytes(self._head or b""), self._tail)
        self._head = None
        self._tail = None
        self.size = 0
        return line


class Splitter:
    """Cuts a stream at line feeds; an unfinished line waits for the rest.

    Args:
        partial: Where it waits; empty.
    """

    __slots__ = ("_partial", "size")

    def __init__(self, partial: LineBuffer | None = None) -> None:
        self._partial = partial or LineBuffer()
        self.size = 0
        """Bytes of the unfinished line that are kept."""

    def feed(self, data: bytes) -> Iterator[Line]:
        """Yield the lines that this piece completes, without their ends."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            if self._partial.size:
                self._partial.add(part)
                yield self._partial.take()
            else:
                yield Line(part) if len(part) <= WHOLE else Line(part[:EDGE], part[-EDGE:])
        if rest:
            self._partial.add(rest)
        self.size = self._partial.size

    def end(self) -> Line:
        """Return what stands after the last line feed."""
        return self._partial.take()
