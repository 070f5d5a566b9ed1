"""Requests that ended, as rows of one size in the order of their ends, without I/O.

A row is numbers alone: what is text of it, as the model, is one of bounded labels and stands in a
table beside. So a ring is one block of bytes, and nothing that the garbage collector looks at.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from ollamon.metrics.requests import RequestRecord
from ollamon.proxy.records import RequestKind

# seq is not kept: it follows from the place. The rest of `Numbers`, then kind and is_stream.
ROW = struct.Struct("<Qd3q7dIB")
_JOULES = struct.Struct("<d")
_JOULES_AT = struct.calcsize("<Qd3q6d")
_UNKNOWN = -1


class Numbers(NamedTuple):
    """What differs from request to request, as in `RequestRecord`; none is less than 0."""

    id: int
    ended_at: float
    prompt_tokens: int | None
    cached_tokens: int | None
    generated_tokens: int | None
    duration_s: float
    time_to_first_token_s: float | None
    tokens_per_second: float | None
    load_s: float | None
    prefill_s: float | None
    decode_s: float | None
    joules: float | None


class Rows(NamedTuple):
    """A copy of some rows, which may be read in another thread.

    Attributes:
        first: `seq` of the first row.
        kinds: What the rows point to; it only ever grows.
    """

    first: int
    packed: bytes
    kinds: list[RequestKind]

    def records(self) -> Iterator[RequestRecord]:
        """Unpack them."""
        for seq, (*packed, kind, is_stream) in enumerate(ROW.iter_unpack(self.packed), self.first):
            numbers = [None if number == _UNKNOWN else number for number in packed]
            values: dict[str, Any] = dict(zip(Numbers._fields, numbers, strict=True))
            shared = self.kinds[kind]._asdict()
            yield RequestRecord(seq=seq, is_stream=bool(is_stream), **shared, **values)


class Ring:
    """The last requests that ended.

    Attributes:
        size: Rows that it holds.
        start: The first row's `seq` is the next number.
    """

    def __init__(self, size: int, start: int) -> None:
        self.start = start
        self.size = size
        self._count = 0
        self._block = bytearray(size * ROW.size)
        self._kinds: list[RequestKind] = []
        self._places: dict[RequestKind, int] = {}

    @property
    def last(self) -> int:
        """`seq` of the last row; `start` when there is none."""
        return self.start + self._count

    @property
    def first(self) -> int:
        """`seq` of the oldest row that is held, or of the next one when there is none."""
        return self.start + max(0, self._count - self.size) + 1

    def add(self, kind: RequestKind, numbers: Numbers, is_stream: bool) -> None:
        """Append a row; a full ring loses its oldest one."""
        place = self._places.get(kind)
        if place is None:
            place = self._places[kind] = len(self._kinds)
            self._kinds.append(kind)
        packed = [_UNKNOWN if number is None else number for number in numbers]
        at = self._count % self.size * ROW.size
        ROW.pack_into(self._block, at, *packed, place, is_stream)
        self._count += 1

    def settle(self, seq: int, joules: float) -> None:
        """Write what a request drew into its row, if it is still held."""
        if self.first <= seq <= self.last:
            at = (seq - self.start - 1) % self.size * ROW.size
            _JOULES.pack_into(self._block, at + _JOULES_AT, joules)

    def since(self, seq: int, limit: int) -> Rows:
        """Return the rows after a number, the oldest of them first, at most `limit`."""
        first = max(seq + 1, self.first)
        begin = first - self.start - 1
        count = min(self._count - begin, limit)
        return Rows(first, self._copy(begin, max(0, count)), self._kinds)

    def _copy(self, begin: int, count: int) -> bytes:
        at, size = begin % self.size * ROW.size, count * ROW.size
        straight = self._block[at : at + size]
        return bytes(straight + self._block[: size - len(straight)])
