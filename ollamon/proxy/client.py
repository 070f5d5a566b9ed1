"""One connection of a client, and the exchange that runs on it.

The next request of a connection is looked at when the answer to this one was written. The client is
read all the time, so that its leaving is seen, except while what it sent cannot be passed on.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from ollamon.proxy import framing, http1, replies
from ollamon.proxy.connection import HIGH_WATER, Upstream
from ollamon.proxy.exchange import Exchange, note_overhead, refuse
from ollamon.proxy.framing import BadBody, Body
from ollamon.proxy.http1 import BadHead, RequestHead, ResponseHead
from ollamon.proxy.injection import Injection
from ollamon.proxy.replies import Refusal
from ollamon.proxy.routes import Dialect, route_of
from ollamon.proxy.tap import Ending, Reads, Rejection, ignore
from ollamon.proxy.timers import NEVER

if TYPE_CHECKING:
    from ollamon.proxy.relay import Incoming, Relay

MAX_WAITING = 64 * 1024
MAX_LINGER = 1024 * 1024
_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
# On, for no time: closing sends a reset.
_NO_LINGER = struct.pack("ii", 1, 0)

_monotonic = time.monotonic


class State:
    """Where a client's connection is; plain numbers because an IntEnum is slow."""

    HEAD = 0
    """It waits for a head, or has a part of one."""
    BODY = 1
    """A request's body arrives."""
    ANSWER = 2
    """The request is complete, its answer is not."""
    LINGER = 3
    """The last answer is sent; what still arrives is dropped, lest a reset kill that answer."""
    CLOSING = 4
    """The last answer is being sent, then the connection closes."""


class Hold:
    """Why a client is not read; bits, as plain numbers because an IntFlag is slow."""

    NOTHING = 0
    UPSTREAM = 1
    """Upstream does not take the body that fast."""
    CONNECTING = 2
    """Enough of the body waits for a connection."""
    PIPELINE = 4
    """Enough requests wait behind this one."""
    ANY = 7


class Client(asyncio.Protocol):
    """A client's connection."""

    __slots__ = (
        *("_answer", "_awaits_continue", "_body", "_buffer", "_deadline", "_dial", "_dialect"),
        *("_dropped", "_exchange", "_head", "_holds", "_injection", "_is_cut_by_reset"),
        *("_is_last", "_is_stalled", "_relay", "_repeat", "_searched", "_spent", "_stalled_until"),
        *("_state", "_transport", "_upstream", "_waiting", "_waiting_size", "write"),
    )

    write: Callable[[bytes], None]
    _transport: asyncio.Transport

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay
        self._state = State.HEAD
        self._deadline = NEVER
        self._stalled_until = NEVER
        self._is_stalled = False
        self._holds = Hold.NOTHING
        self._buffer = bytearray()
        self._searched = 0
        self._dropped = 0
        self._is_last = False
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._upstream: Upstream | None = None
        self._dial: asyncio.Task[None] | None = None
        self._forget_exchange()

    def _forget_exchange(self) -> None:
        self._exchange: Exchange | None = None
        self._head: RequestHead | None = None
        self._body: Body | None = None
        self._answer: ResponseHead | None = None
        self._injection: Injection | None = None
        # Less than 0: what of our own time went into the request is not known.
        self._spent = -1.0
        self._dialect = Dialect.OLLAMA
        self._repeat = b""
        self._awaits_continue = False
        self._is_cut_by_reset = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._deadline = _monotonic() + self._relay.settings.timeouts.head
        if self._relay.admit(self):
            return
        if self._relay.is_flooded():
            self._transport.abort()
            return
        self._refuse(Rejection.OVERLOAD, replies.OVERLOAD)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request came."""
        match self._state:
            case State.BODY:
                self._read_body(data)
            case State.HEAD:
                self._read_head(data)
            case State.ANSWER:
                self._keep(data)
            case State.LINGER:
                self._drop(len(data))
            case _:
                pass

    def eof_received(self) -> None:
        """A client that sends no more has left: Ollama gives it no answer either."""
        if self._exchange is not None:
            self._leave(Ending.CLIENT_GONE)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._leave(Ending.CLIENT_GONE)
        self._relay.forget(self)

    def pause_writing(self) -> None:
        """The client does not read as fast as upstream sends."""
        self._is_stalled = True
        self._stalled_until = _monotonic() + self._relay.settings.timeouts.stall
        if self._upstream is not None:
            self._upstream.pause()

    def resume_writing(self) -> None:
        """It reads on."""
        self._is_stalled = False
        self._stalled_until = NEVER
        if self._upstream is not None:
            self._upstream.resume()

    def _read_head(self, data: bytes) -> None:
        now = _monotonic()
        is_first = not self._buffer
        block: bytes | bytearray = data
        if not is_first:
            self._buffer += data
            block = self._buffer
        try:
            end = http1.find_end(block, max(0, self._searched - 3))
            if end < 0:
                self._wait_for_head(data, is_first=is_first)
                return
            incoming = self._relay.understand(bytes(block[:end]))
        except BadHead as bad:
            self._dialect = route_of(http1.target_in(bytes(block[: http1.MAX_TARGET]))).dialect
            self._refuse(bad.rejection, replies.bad_head(bad))
            return
        rest = bytes(block[end:])
        self._buffer.clear()
        self._searched = 0
        self._begin(incoming, rest, now)

    def _wait_for_head(self, data: bytes, *, is_first: bool) -> None:
        if is_first:
            self._buffer += data
            self._deadline = _monotonic() + self._relay.settings.timeouts.head
        self._searched = len(self._buffer)

    def _begin(self, incoming: "Incoming", rest: bytes, now: float) -> None:
        """Begin an exchange; `rest` came in the same read as the head."""
        relay = self._relay
        head, method, route, out, _, may_inject, kind, trace = incoming
        relay.in_flight += 1
        self._exchange = Exchange(relay.meter, method, route, now, kind, trace)
        self._head, self._dialect = head, route.dialect
        self._body = framing.body_of_request(head)
        self._is_last = not head.is_keep_alive
        self._state = State.ANSWER if self._body.is_done else State.BODY
        self._awaits_continue = head.expects_continue
        self._time_body(now)
        if self._is_refused(incoming):
            return
        if self._body.is_done and head.method in _REPEATABLE:
            self._repeat = out
        if may_inject:
            self._injection = Injection(out)
            self._read_body(rest)
            return
        self._find_upstream()
        if self._body.is_done:
            self._pass_up(out)
            self._spent = _monotonic() - now
            self._request_complete(now, rest)
        elif rest:
            self._spent = -now
            self._read_body(rest, out)
        else:
            self._pass_up(out)
            self._spent = _monotonic() - now

    def _is_refused(self, incoming: "Incoming") -> bool:
        relay, host = self._relay, incoming.head.host
        if not incoming.is_allowed:
            self._reject(Rejection.HOST, replies.foreign_host((host or b"").decode("latin-1")))
        elif relay.is_draining:
            self._reject(Rejection.DRAINING, replies.DRAINING)
        elif relay.in_flight > relay.settings.limits.in_flight:
            self._reject(Rejection.OVERLOAD, replies.OVERLOAD)
        else:
            return False
        return True

    def _find_upstream(self) -> None:
        upstream = self._relay.pool.take()
        if upstream is None:
            self._dial = self._relay.connect(self)
        else:
            self._borrow(upstream)

    def _borrow(self, upstream: Upstream) -> None:
        head = self._head
        assert head is not None  # noqa: S101 - for the type checker
        self._upstream = upstream
        upstream.lend(
            *(self, head.method),
            decodes=head.minor == 0,
            body_of=self._injection.body_of_answer if self._injection else framing.body_of_answer,
        )
        if self._is_stalled:
            upstream.pause()

    def connected(self, upstream: Upstream) -> None:
        """The connection that was asked for is there."""
        self._dial = None
        if self._exchange is None:
            upstream.close()
            return
        if not upstream.is_usable:
            self.upstream_lost()
            return
        self._borrow(upstream)
        upstream.write(b"".join(self._waiting))
        self._forget_waiting()

    def not_connected(self, ending: Ending, refusal: Refusal) -> None:
        """The connection that was asked for cannot be had."""
        self._dial = None
        if self._exchange is not None:
            self._answer_ourselves(refusal, ending)

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_size = 0
        self._release(Hold.CONNECTING)

    def _pass_up(self, data: bytes) -> None:
        if self._upstream is not None:
            self._upstream.write(data)
            return
        self._waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size > MAX_WAITING:
            self._hold(Hold.CONNECTING)

    def _read_body(self, data: bytes, prefix: bytes = b"") -> None:
        """Check, pass on after `prefix`, and observe a read of the request's body."""
        body, head, exchange = self._body, self._head, self._exchange
        assert body is not None  # noqa: S101 - for the type checker
        assert head is not None  # noqa: S101 - for the type checker
        assert exchange is not None  # noqa: S101 - for the type checker
        try:
            body.feed(data)
        except BadBody as error:
            self._fail(Ending.REJECTED, replies.bad_body(str(error)))
            return
        out = payload = body.payload
        if head.is_chunked:
            out = framing.chunk_of(payload) + (framing.LAST_CHUNK if body.is_done else b"")
        if self._injection is None:
            self._pass_up(prefix + out)
        elif whole := self._injection.take(payload, is_last=body.is_done):
            self._find_upstream()
            self._pass_up(whole)
        now = _monotonic()
        if prefix:
            self._spent += now
        if payload:
            exchange.request_read(payload)
        self._awaits_continue = False
        if body.is_done:
            self._request_complete(now, body.rest)
        else:
            self._time_body(now)

    def _time_body(self, now: float) -> None:
        """Begin to wait for more of the body, unless it is not for the client to send it now."""
        is_timed = not (self._holds or self._awaits_continue)
        self._deadline = now + self._relay.settings.timeouts.body if is_timed else NEVER

    def _request_complete(self, now: float, rest: bytes) -> None:
        self._state = State.ANSWER
        self._deadline = NEVER
        # It holds the last read, which may be large and is of no use during a long answer.
        self._body = None
        if self._exchange is not None:
            self._exchange.request_complete(now)
        if rest:
            self._keep(rest)

    def _keep(self, data: bytes) -> None:
        """Keep a pipelined request until this one is answered."""
        self._buffer += data
        if len(self._buffer) > MAX_WAITING:
            self._hold(Hold.PIPELINE)

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > MAX_LINGER:
            self._transport.abort()

    def interim(self, head: ResponseHead) -> None:
        """Pass an answer 1xx on; HTTP/1.0 knows none."""
        if self._head is not None and self._head.minor == 1:
            self.write(http1.response_bytes(head, is_chunked=False))
        if head.status == 100 and self._state is State.BODY:
            self._awaits_continue = False
            self._time_body(_monotonic())

    def answer_began(self, head: ResponseHead, body: Body, first: bytes, read_at: float) -> Reads:
        """Pass the final head on, with what came of the body."""
        request, exchange = self._head, self._exchange
        assert request is not None  # noqa: S101 - for the type checker
        assert exchange is not None  # noqa: S101 - for the type checker
        minor, has_body = request.minor, not isinstance(body, framing.NoBody)
        is_until_close = has_body and head.length is None and (minor == 0 or not head.is_chunked)
        self._is_cut_by_reset = is_until_close
        if is_until_close or self._relay.is_draining or self._state is State.BODY:
            self._is_last = True
        self._answer = head
        out = http1.response_bytes(
            head,
            minor=minor,
            is_chunked=head.is_chunked and minor == 1 and head.status not in (204, 304),
            is_closing=self._is_last and minor == 1,
        )
        self.write(out + first)
        now = _monotonic()
        reads = exchange.answer_began(head.summary, now)
        if self._spent >= 0:
            note_overhead(self._relay.meter, self._spent + now - read_at)
        return reads

    def blinded(self, error: Exception) -> Reads:
        """Observing the answer raised."""
        return ignore if self._exchange is None else self._exchange.blinded(error)

    def answer_complete(self) -> None:
        """The answer was written to its end."""
        self._end(Ending.COMPLETE)
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            if self._state is State.ANSWER and upstream.may_be_kept:
                upstream.rest()
            else:
                upstream.close()
        self._go_on()

    def answer_broken(self, reason: str) -> None:
        """What upstream sent is no HTTP."""
        url = self._relay.settings.upstream.url
        self._fail(Ending.UPSTREAM_GARBAGE, replies.garbage(url, reason))

    def upstream_lost(self) -> None:
        """Upstream's connection ended before the answer did."""
        upstream, self._upstream = self._upstream, None
        if self._exchange is None:
            return
        if upstream and upstream.is_reused and not upstream.has_answered and self._repeat:
            # It was idle and closed just now; RFC 9110, section 9.2.2 allows to repeat these.
            self._waiting.append(self._repeat)
            self._repeat = b""
            self._dial = self._relay.connect(self)
        elif self._answer is not None:
            self._fail(Ending.UPSTREAM_CUT, None)
        else:
            refusal = replies.hung_up(self._relay.settings.upstream.url)
            self._fail(Ending.UPSTREAM_RESET, refusal)

    def hold_upload(self) -> None:
        """Upstream does not take the body that fast."""
        self._hold(Hold.UPSTREAM)

    def release_upload(self) -> None:
        """Upstream takes more of the body."""
        self._release(Hold.UPSTREAM)

    def _hold(self, reason: int) -> None:
        if not self._holds and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holds |= reason
        if self._state is State.BODY:
            self._deadline = NEVER

    def _release(self, reasons: int) -> None:
        if not self._holds & reasons:
            return
        self._holds &= ~reasons
        if self._holds or self._transport.is_closing():
            return
        self._transport.resume_reading()
        if self._state is State.BODY:
            self._time_body(_monotonic())

    def _refuse(self, reason: Rejection | None, refusal: Refusal) -> None:
        """Answer a request that was not understood, and close."""
        if reason is not None:
            refuse(self._relay.meter, reason)
        self.write(replies.render(refusal, self._dialect, is_closing=True))
        self._linger()

    def _reject(self, reason: Rejection, refusal: Refusal) -> None:
        """Answer a request that was understood and is not served, and close."""
        refuse(self._relay.meter, reason)
        self._is_last = True
        self._answer_ourselves(refusal, Ending.REJECTED)

    def _answer_ourselves(self, refusal: Refusal, ending: Ending) -> None:
        head = self._head
        assert head is not None  # noqa: S101 - for the type checker
        if self._state is State.BODY or self._relay.is_draining:
            self._is_last = True
        self.write(
            replies.render(
                refusal,
                self._dialect,
                is_closing=self._is_last,
                minor=head.minor,
                has_body=head.method != b"HEAD",
            )
        )
        self._end(ending, refusal.status)
        self._drop_upstream()
        self._go_on()

    def _fail(self, ending: Ending, refusal: Refusal | None) -> None:
        """End an exchange before its time: answer, or cut the answer that began."""
        if self._answer is None and refusal is not None:
            self._answer_ourselves(refusal, ending)
            return
        self._end(ending)
        self._drop_upstream()
        self._state = State.CLOSING
        self._deadline = _monotonic() + self._relay.settings.timeouts.stall
        if self._is_cut_by_reset:
            self._reset()
        else:
            self._transport.close()

    def _end(self, ending: Ending, status: int | None = None) -> None:
        if self._exchange is not None:
            self._relay.in_flight -= 1
            exchange, self._exchange = self._exchange, None
            exchange.ended(ending, _monotonic(), status)

    def _leave(self, ending: Ending) -> None:
        self._end(ending)
        self._drop_upstream()

    def _drop_upstream(self) -> None:
        if self._dial is not None:
            self._dial.cancel()
            self._dial = None
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None
        self._waiting.clear()
        self._waiting_size = 0

    def _go_on(self) -> None:
        """After an answer: the next request, or the end."""
        if self._state is State.BODY or (self._is_last and self._may_send_on()):
            self._linger()
        elif self._is_last or self._relay.is_draining:
            self._close()
        else:
            self._forget_exchange()
            self._state = State.HEAD
            self._deadline = _monotonic() + self._relay.settings.timeouts.keep_alive
            waiting = bytes(self._buffer)
            self._buffer.clear()
            self._release(Hold.ANY)
            if waiting:
                self._read_head(waiting)

    def _may_send_on(self) -> bool:
        """Say whether it may send another request, not knowing yet that this was the last one."""
        is_surprised = self._head is not None and self._head.is_keep_alive
        return bool(self._buffer) or (is_surprised and not self._relay.is_draining)

    def _linger(self) -> None:
        self._state = State.LINGER
        self._buffer.clear()
        self._deadline = _monotonic() + self._relay.settings.timeouts.linger
        self._release(Hold.ANY)
        if not self._transport.is_closing():
            self._transport.write_eof()

    def _close(self) -> None:
        self._state = State.CLOSING
        self._deadline = _monotonic() + self._relay.settings.timeouts.stall
        self._transport.close()

    def _reset(self) -> None:
        """Close with a reset: without it, an answer that lasts until the close looks whole."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def tick(self, now: float) -> None:
        """Look at the deadlines."""
        if now >= self._stalled_until:
            self._stalled_until = NEVER
            self._leave(Ending.CLIENT_TIMEOUT)
            self._reset()
        elif now >= self._deadline:
            self._deadline = NEVER
            self._expire()

    def _expire(self) -> None:
        match self._state:
            case State.HEAD if self._buffer:
                self._refuse(None, replies.SLOW_HEAD)
            case State.HEAD:
                self._close()
            case State.BODY:
                self._fail(Ending.CLIENT_TIMEOUT, replies.SLOW_BODY)
            case State.LINGER | State.CLOSING:
                self._transport.abort()
            case _:
                pass

    def drain(self) -> None:
        """Close if nothing runs; an exchange that runs may finish."""
        if self._state is State.HEAD and not self._buffer:
            self._close()

    @property
    def exchange_id(self) -> int | None:
        """Number of the exchange that runs."""
        return None if self._exchange is None else self._exchange.id

    def cancel(self) -> None:
        """End the exchange that runs: upstream is closed, and what the client gets does not lie."""
        if self._exchange is not None:
            self._fail(Ending.CANCELLED, replies.CANCELLED)

    def cut_short(self) -> None:
        """Close now; an answer that is cut does not look whole."""
        has_head = self._answer is not None and self._exchange is not None
        self._leave(Ending.SHUTDOWN)
        if has_head and self._is_cut_by_reset:
            self._reset()
        else:
            self._transport.abort()
