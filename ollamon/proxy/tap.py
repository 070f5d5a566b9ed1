"""What the relay tells the metering half, without I/O.

The relay knows sockets and framing, the recorder knows tokens and instruments; this is all they say
to each other. Each call comes after the bytes were passed on, and the relay guards each: whatever a
tap raises is counted, ends observing this exchange and changes no byte.

Times are seconds of the monotonic clock.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol

from ollamon.proxy.agents import ClientKind
from ollamon.proxy.routes import Route


class Ending(StrEnum):
    """What ended an exchange, as the relay saw it; the tap adds what the answer said."""

    COMPLETE = "the answer was relayed to the end of its framing"
    CLIENT_GONE = "the client closed or reset its connection before that"
    REJECTED = "we answered 4xx or 503 ourselves"
    UPSTREAM_REFUSED = "no connection: refused, unreachable, or no such host"
    CONNECT_TIMEOUT = "no connection within the connect timeout"
    UPSTREAM_RESET = "upstream closed or reset before a whole head"
    UPSTREAM_GARBAGE = "what upstream sent is no HTTP, before or after the head"
    UPSTREAM_CUT = "upstream closed or reset in the middle of the body"
    CLIENT_TIMEOUT = "the client did not send its body, or did not read, in time"
    SHUTDOWN = "cut by our own stop"
    CANCELLED = "ended by somebody who watches"


class Rejection(StrEnum):
    """Why the proxy refused a request itself; values of the label `reason`."""

    MALFORMED = "malformed"
    HEAD_TOO_LARGE = "head_too_large"
    HOST = "host"
    ORIGIN = "origin"
    METHOD = "method"
    OVERLOAD = "overload"
    DRAINING = "draining"


class AnswerHead(NamedTuple):
    """What matters of an answer's head.

    Attributes:
        status: As upstream sent it.
        content_type: Media type, lower-case, without parameters; "" when absent.
        is_encoded: It has a Content-Encoding other than identity, so its text cannot be read.
    """

    status: int
    content_type: str
    is_encoded: bool


Reads = Callable[[bytes, float], None]
"""Takes body bytes of the answer, framing taken off, exactly as they came in one read, and when."""


def ignore(_data: bytes, _now: float) -> None:
    """Take a read that nobody wants to see."""


class Tap(Protocol):
    """The observing half of one exchange: created when its head was parsed, ended exactly once.

    Attributes:
        id: By which the exchange can be named from outside.
    """

    id: int

    def request_read(self, data: bytes) -> None:
        """Body bytes of the request, framing taken off."""

    def request_complete(self, now: float) -> None:
        """The read with the request's last byte was passed on."""

    def answer_began(self, head: AnswerHead, now: float) -> Reads:
        """The final head (not 1xx) was passed on; return what takes the reads of the body.

        The relay calls it without anything between: a token costs few microseconds altogether.
        """

    def blinded(self) -> Reads:
        """What took the reads raised; return what takes the rest."""

    def ended(self, ending: Ending, status: int | None, now: float) -> None:
        """The exchange is over; `status` is what the client got, None when it got no head."""


class Meter(Protocol):
    """Where the relay finds its taps."""

    def began(self, method: str, route: Route, now: float, client: ClientKind, trace: str) -> Tap:
        """A request head was understood; `trace` is the id of its trace, or ""."""

    def connected(self, seconds: float) -> None:
        """A new connection to upstream was made, in this time."""

    def relayed(self, seconds: float) -> None:
        """So long one exchange waited for us: from head read to head sent, in both directions."""

    def refused(self, reason: Rejection) -> None:
        """A request was refused; without a tap when its head could not be understood."""

    def failed(self, error: Exception) -> None:
        """A tap raised; its exchange is observed no further and still counted when it ends."""
