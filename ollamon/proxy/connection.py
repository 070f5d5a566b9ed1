"""One connection to upstream, lent to a client for one exchange at a time."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, cast

from ollamon.proxy import framing, http1
from ollamon.proxy.framing import BadBody, Body
from ollamon.proxy.http1 import BadHead, ResponseHead
from ollamon.proxy.pool import Pool
from ollamon.proxy.tap import Reads, ignore

HIGH_WATER = 0
"""Bytes that may wait for a slow reader before the other side is paused, beside one read.

With 0 uvloop writes at once; else it first collects what the other connections have to say in this
turn of the loop, and each token waits for all of them and for its own observation.
"""

_monotonic = time.monotonic


class Borrower(Protocol):
    """The client's side, as upstream knows it."""

    write: Callable[[bytes], None]

    def interim(self, head: ResponseHead) -> None:
        """An answer 1xx came; the final one follows."""

    def answer_began(self, head: ResponseHead, body: Body, first: bytes, read_at: float) -> Reads:
        """The final head came, and in the same read, at that time, `first` of its body.

        What is returned sees the body's bytes and the time, after each read was passed on.
        """

    def blinded(self, error: Exception) -> Reads:
        """What took the reads raised this; return what takes the rest."""

    def answer_complete(self) -> None:
        """The answer was written to its end."""

    def answer_broken(self, reason: str) -> None:
        """What came is no HTTP."""

    def upstream_lost(self) -> None:
        """The connection ended before the answer did."""

    def hold_upload(self) -> None:
        """Upstream does not take the request that fast."""

    def release_upload(self) -> None:
        """Upstream takes more of the request."""


class Upstream(asyncio.Protocol):
    """A connection to upstream.

    Attributes:
        has_answered: Bytes of an answer came during this exchange.
        is_reused: It carried an exchange before this one.
        is_write_paused: Upstream does not take what waits to be sent.
    """

    __slots__ = (
        *("_body", "_body_of", "_borrower", "_buffer", "_decodes", "_is_kept", "_is_paused"),
        *("_method", "_observe", "_pool", "_searched", "_transport", "_write_down", "has_answered"),
        *("is_reused", "is_write_paused", "write"),
    )

    write: Callable[[bytes], None]
    _transport: asyncio.Transport
    _write_down: Callable[[bytes], None]
    _body_of: Callable[[ResponseHead, bytes], Body]

    def __init__(self, pool: "Pool[Upstream]") -> None:
        self._pool = pool
        self._borrower: Borrower | None = None
        self._body: Body | None = None
        self._buffer = b""
        self._searched = 0
        self._method = b""
        self._decodes = False
        self._is_kept = False
        self._is_paused = False
        self._observe: Reads = ignore
        self.has_answered = False
        self.is_reused = False
        self.is_write_paused = False

    @property
    def is_usable(self) -> bool:
        """It is open."""
        return not self._transport.is_closing()

    @property
    def may_be_kept(self) -> bool:
        """Another request may follow the answer that was read."""
        return self._is_kept and not self.is_write_paused and self.is_usable

    def lend(
        self,
        borrower: Borrower,
        method: bytes,
        *,
        decodes: bool,
        body_of: Callable[[ResponseHead, bytes], Body] = framing.body_of_answer,
    ) -> None:
        """Begin an exchange.

        Args:
            borrower: Who gets the answer.
            method: Of its request; HEAD has answers without a body.
            decodes: The borrower does not know chunks.
            body_of: How the answer's body is read.
        """
        self._borrower = borrower
        self._write_down = borrower.write
        self._method = method
        self._decodes = decodes
        self._body_of = body_of
        self._body = None
        self._is_kept = False
        self.has_answered = False

    def rest(self) -> None:
        """End the exchange and wait in the pool for another one."""
        self._forget_borrower()
        self.is_reused = True
        self.resume()
        self._pool.put(self)

    def close(self) -> None:
        """Close it at once, whatever still waits to be sent."""
        self._forget_borrower()
        self._transport.abort()

    def pause(self) -> None:
        """Read no more for now: the client does not keep up."""
        if not self._is_paused and self.is_usable:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._is_paused:
            self._is_paused = False
            if self.is_usable:
                self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Upstream accepted the connection."""
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer came: check, pass on, observe."""
        body = self._body
        if body is None:
            self._read_head(data)
            return
        try:
            out = body.feed(data)
        except BadBody as error:
            self._break(str(error))
            return
        if body.rest:
            self._break("bytes after its end")
            return
        payload = body.payload
        # Looked up first: calling what a slot holds as if it were a method takes longer.
        write, observe = self._write_down, self._observe
        write(payload if self._decodes else out)
        if payload:
            try:
                observe(payload, _monotonic())
            except Exception as error:  # noqa: BLE001 - fail open
                self._blind(error)
        if body.is_done:
            self._complete()

    def _blind(self, error: Exception) -> None:
        self._observe = ignore if self._borrower is None else self._borrower.blinded(error)

    def _read_head(self, data: bytes) -> None:
        if self._borrower is None:
            # Nobody asked: whatever this is, it must not become the next answer.
            self.close()
            return
        read_at = _monotonic()
        self.has_answered = True
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        try:
            while data:
                end = http1.find_end(data, max(0, self._searched - 3), first="status line")
                if end < 0:
                    self._buffer, self._searched = data, len(data)
                    return
                self._searched = 0
                head, data = http1.parse_response(data[:end]), data[end:]
                if not self._is_interim(head):
                    self._take_head(head, data, read_at)
                    return
        except BadHead as bad:
            self._break(bad.reason)
        except BadBody as bad:
            self._break(str(bad))

    def _is_interim(self, head: ResponseHead) -> bool:
        """Pass an answer 1xx on, after which another head comes."""
        if head.status == 101:
            raise BadHead(502, "it switches protocols, which nobody asked for")
        if head.status < 200 and self._borrower is not None:
            self._borrower.interim(head)
        return head.status < 200

    def _take_head(self, head: ResponseHead, first: bytes, read_at: float) -> None:
        """Pass the final head on; `first` came after it in the same read."""
        borrower = self._borrower
        if borrower is None:
            return
        body = self._body_of(head, self._method)
        out = body.feed(first) if first else b""
        if body.rest:
            raise BadBody("bytes after its end")
        self._body = body
        self._is_kept = framing.is_reusable(head, body)
        first = body.payload if self._decodes else out
        self._observe = borrower.answer_began(head, body, first, read_at)
        if body.payload:
            try:
                self._observe(body.payload, _monotonic())
            except Exception as error:  # noqa: BLE001 - fail open
                self._blind(error)
        if body.is_done:
            self._complete()

    def _complete(self) -> None:
        if self._borrower is not None:
            self._borrower.answer_complete()

    def _break(self, reason: str) -> None:
        if self._borrower is not None:
            self._borrower.answer_broken(reason)

    def _forget_borrower(self) -> None:
        self._borrower = None
        self._body = None
        self._observe = ignore
        self._buffer = b""
        self._searched = 0

    def eof_received(self) -> None:
        """Upstream sends no more; that ends an answer that has no other end."""
        if isinstance(self._body, framing.UntilCloseBody):
            self._complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        borrower = self._borrower
        self._forget_borrower()
        if borrower is None:
            self._pool.discard(self)
        else:
            borrower.upstream_lost()

    def pause_writing(self) -> None:
        """Upstream does not read as fast as the client sends."""
        self.is_write_paused = True
        if self._borrower is not None:
            self._borrower.hold_upload()

    def resume_writing(self) -> None:
        """It reads on."""
        self.is_write_paused = False
        if self._borrower is not None:
            self._borrower.release_upload()
