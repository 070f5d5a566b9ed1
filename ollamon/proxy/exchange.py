"""The observing half of one exchange, guarded: whatever it raises changes no byte.

It begins when a head was understood and ends exactly once. After an exception the tap sees nothing
more but its end, because an exchange that is not counted would be active for ever.
"""

import contextlib

from ollamon.proxy.agents import ClientKind
from ollamon.proxy.routes import Route
from ollamon.proxy.tap import AnswerHead, Ending, Meter, Reads, Rejection, Tap, ignore


class Exchange:
    """One request and its answer, as the meter sees them.

    Attributes:
        status: What the client got; None while it got no head.
        is_over: It ended.
    """

    __slots__ = ("_is_watched", "_meter", "_tap", "is_over", "status")

    def __init__(
        self,
        meter: Meter,
        method: str,
        route: Route,
        now: float,
        client: ClientKind = ClientKind.UNKNOWN,
        trace: str = "",
    ) -> None:
        self._meter = meter
        self._tap: Tap | None = None
        self._is_watched = True
        self.status: int | None = None
        self.is_over = False
        try:
            self._tap = meter.began(method, route, now, client, trace)
        except Exception as error:  # noqa: BLE001 - fail open
            self._fail(error)

    @property
    def id(self) -> int | None:
        """As `Tap.id`; None where nobody observes."""
        return None if self._tap is None else self._tap.id

    def request_read(self, data: bytes) -> None:
        """As `Tap.request_read`."""
        if self._is_watched and self._tap is not None:
            try:
                self._tap.request_read(data)
            except Exception as error:  # noqa: BLE001 - fail open
                self._fail(error)

    def request_complete(self, now: float) -> None:
        """As `Tap.request_complete`."""
        if self._is_watched and self._tap is not None:
            try:
                self._tap.request_complete(now)
            except Exception as error:  # noqa: BLE001 - fail open
                self._fail(error)

    def answer_began(self, head: AnswerHead, now: float) -> Reads:
        """As `Tap.answer_began`.

        What is returned is not guarded: who calls it tells `blinded` what it raises.
        """
        self.status = head.status
        if self._is_watched and self._tap is not None:
            try:
                return self._tap.answer_began(head, now)
            except Exception as error:  # noqa: BLE001 - fail open
                self._fail(error)
        return ignore

    def blinded(self, error: Exception) -> Reads:
        """As `Tap.blinded`, after this was raised."""
        self._fail(error)
        try:
            return ignore if self._tap is None else self._tap.blinded()
        except Exception as error:  # noqa: BLE001 - fail open
            self._fail(error)
            return ignore

    def ended(self, ending: Ending, now: float, status: int | None = None) -> None:
        """As `Tap.ended`, the first time; `status` is that of an answer of our own."""
        if self.is_over:
            return
        self.is_over = True
        if status is not None:
            self.status = status
        if self._tap is not None:
            try:
                self._tap.ended(ending, self.status, now)
            except Exception as error:  # noqa: BLE001 - fail open
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._is_watched = False
        report_failure(self._meter, error)


def refuse(meter: Meter, reason: Rejection) -> None:
    """Tell the meter of a refusal, guarded."""
    try:
        meter.refused(reason)
    except Exception as error:  # noqa: BLE001 - fail open
        report_failure(meter, error)


def note_connection(meter: Meter, seconds: float) -> None:
    """Tell the meter of a new connection to upstream, guarded."""
    try:
        meter.connected(seconds)
    except Exception as error:  # noqa: BLE001 - fail open
        report_failure(meter, error)


def note_overhead(meter: Meter, seconds: float) -> None:
    """Tell the meter what we cost one exchange, guarded."""
    try:
        meter.relayed(seconds)
    except Exception as error:  # noqa: BLE001 - fail open
        report_failure(meter, error)


def report_failure(meter: Meter, error: Exception) -> None:
    """Tell the meter that it failed; if even that fails, there is nobody left to tell."""
    with contextlib.suppress(Exception):
        meter.failed(error)
