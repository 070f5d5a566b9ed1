"""The observing half of one exchange: what its bytes said, put together at its end, without I/O."""

import json
import re
from dataclasses import dataclass
from typing import Protocol

from ollamon.proxy import labels
from ollamon.proxy.events import Problem, Report, Usage
from ollamon.proxy.outcome import Outcome, UpstreamFault, judge
from ollamon.proxy.reader import Reader, open_reader
from ollamon.proxy.records import RequestInFlight
from ollamon.proxy.routes import Reading, Route
from ollamon.proxy.tap import AnswerHead, Ending

# The model stands in front in every client's request; a prompt may be megabytes.
_REQUEST_HEAD = 4 * 1024
_MODEL = re.compile(rb'"model"\s*:\s*"((?:[^"\\]|\\.){1,256})"')
# No machine decodes a million tokens a second: the clock or the counter is wrong.
_MAX_RATE = 1e6
# Exchanges in which upstream did its part as far as it was let.
_SERVED = frozenset({Outcome.OK, Outcome.CLIENT_ABORT})


@dataclass(frozen=True, slots=True)
class End:
    """Everything that the end of one exchange says."""

    outcome: Outcome
    fault: UpstreamFault | None
    status: int | None
    model_name: str
    is_served: bool
    is_stream: bool
    duration_s: float
    first_token_s: float | None
    rate: float | None
    usage: Usage
    finish: str
    problems: frozenset[Problem]


class Listener(Protocol):
    """Who is told what an observation finds."""

    def renamed(self, observation: "Observation", name: str) -> None:
        """The request's body names this model."""

    def failed(self, error: Exception) -> None:
        """Reading raised; this exchange is read no further."""

    def ended(self, observation: "Observation", end: End) -> None:
        """The exchange is over; called once."""


class Observation:
    """The observing half of one exchange; a `tap.Tap`."""

    __slots__ = (
        *("_began_at", "_complete_at", "_head", "_is_over", "_reader", "_listener"),
        *("_request", "_requested_model", "id", "method", "model", "route"),
    )

    def __init__(self, listener: Listener, id_: int, method: str, route: Route, now: float) -> None:
        self.id = id_
        self.method = method
        self.route = route
        self.model = labels.UNKNOWN
        """The label that the running request has now."""
        self._listener = listener
        self._began_at = now
        self._complete_at: float | None = None
        self._request: bytearray | None = bytearray()
        self._requested_model = ""
        self._head: AnswerHead | None = None
        self._reader: Reader | None = None
        self._is_over = False

    @property
    def is_answered(self) -> bool:
        """Upstream's head was passed on."""
        return self._head is not None

    def request_read(self, data: bytes) -> None:
        """Look for the model in the first 4 KiB of the body."""
        if self._request is None:
            return
        self._request += data[: _REQUEST_HEAD - len(self._request)]
        found = _MODEL.search(self._request) if self._request.lstrip()[:1] == b"{" else None
        if found is not None:
            self._requested_model = _unquoted(found.group(1))
            self._listener.renamed(self, self._requested_model)
        if found is not None or len(self._request) >= _REQUEST_HEAD:
            self._request = None

    def request_complete(self, now: float) -> None:
        """The time to the first token begins."""
        self._complete_at = now
        self._request = None

    def answer_began(self, head: AnswerHead, now: float) -> None:
        """Choose how to read the answer."""
        self._head = head
        self._reader = open_reader(self.route, head)

    def answer_read(self, data: bytes, now: float) -> None:
        """Read a copy of what the client has got."""
        if self._reader is None:
            return
        try:
            self._reader.feed(data, now)
        except Exception as error:  # noqa: BLE001 - no fault of reading may touch the exchange.
            self._reader = None
            self._listener.failed(error)

    def ended(self, ending: Ending, status: int | None, now: float) -> None:
        """Record the exchange, once."""
        if self._is_over:
            return
        self._is_over = True
        report = self._report(is_complete=ending is Ending.COMPLETE)
        self._listener.ended(self, self._end(ending, status, report, now))

    def view(self, now: float) -> RequestInFlight:
        """Return what can be told while it runs."""
        if self._head is not None:
            phase = "answering"
        else:
            phase = "receiving" if self._complete_at is None else "waiting"
        return RequestInFlight(
            self.id, self.method, self.route.endpoint, self.model, now - self._began_at, phase
        )

    def _report(self, *, is_complete: bool) -> Report | None:
        if self._reader is None:
            return None
        try:
            return self._reader.finish(is_complete=is_complete)
        except Exception as error:  # noqa: BLE001 - as above; the exchange must still be counted.
            self._listener.failed(error)
            return None
        finally:
            self._reader = None

    def _end(self, ending: Ending, status: int | None, report: Report | None, now: float) -> End:
        outcome, fault = judge(ending, status, report, has_head=self._head is not None)
        said = report or Report(is_stream=False)
        usage = said.usage or Usage()
        rate, is_valid = rate_of(said)
        problems = said.problems if is_valid else said.problems | {Problem.INVALID_NUMBER}
        if self._is_unreadable():
            problems |= {Problem.UNDECODABLE}
        return End(
            outcome=outcome,
            fault=fault,
            status=status,
            model_name=said.model or self._requested_model,
            is_served=self._is_served(outcome),
            is_stream=said.is_stream,
            duration_s=max(0.0, now - self._began_at),
            first_token_s=self._first_token_s(said) if outcome in _SERVED else None,
            rate=rate,
            usage=usage,
            finish=said.finish,
            problems=problems,
        )

    def _first_token_s(self, report: Report) -> float | None:
        if report.first_token_at is None or self._complete_at is None:
            return None
        return max(0.0, report.first_token_at - self._complete_at)

    def _is_served(self, outcome: Outcome) -> bool:
        """Say whether a 2xx answered for the model."""
        is_told = self.route.reading in (Reading.GENERATION, Reading.EMBEDDING)
        is_2xx = self._head is not None and 200 <= self._head.status < 300
        return is_told and is_2xx and outcome in _SERVED

    def _is_unreadable(self) -> bool:
        head = self._head
        is_told = self.route.reading is not Reading.NOTHING
        return head is not None and is_told and head.is_encoded and 200 <= head.status < 300


def _unquoted(text: bytes) -> str:
    """Return a JSON string without its quotes and escapes; some clients write `hf.co\\/name`."""
    if b"\\" not in text:
        return text.decode(errors="replace")
    try:
        return str(json.loads(b'"' + text + b'"'))
    except ValueError:
        return labels.OTHER


def rate_of(report: Report) -> tuple[float | None, bool]:
    """Return tokens per second of one answer, None if unknown, and whether its numbers made sense.

    Upstream's own decode time comes first; else the tokens after the first one over the time
    between the first and the last, as seen here.
    """
    usage = report.usage or Usage()
    generated = usage.generated_tokens
    if not generated:
        return None, True
    if usage.decode_s:
        rate = generated / usage.decode_s
        return (rate, True) if rate <= _MAX_RATE else (None, False)
    return _rate_seen(generated, report), True


def _rate_seen(generated: int, report: Report) -> float | None:
    first, last = report.first_token_at, report.last_token_at
    if generated < 2 or first is None or last is None or last <= first:
        return None
    rate = (generated - 1) / (last - first)
    # Faster than that, the stream was buffered somewhere and its times say nothing.
    return rate if rate <= _MAX_RATE else None
