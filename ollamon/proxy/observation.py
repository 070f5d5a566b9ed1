"""The observing half of one exchange: what its bytes said, put together at its end, without I/O."""

import json
import math
import re
import sys
from enum import StrEnum
from typing import NamedTuple, Protocol

from ollamon.metrics.requests import Outcome
from ollamon.proxy import labels
from ollamon.proxy.agents import ClientKind
from ollamon.proxy.events import Problem, Report, Usage
from ollamon.proxy.outcome import UpstreamFault, judge
from ollamon.proxy.prompts import PromptText
from ollamon.proxy.reader import Reader, open_reader
from ollamon.proxy.records import Phase, RequestInFlight
from ollamon.proxy.routes import COMPUTED, Reading, Route
from ollamon.proxy.tap import AnswerHead, Ending, Reads

# The model stands in front in every client's request; a prompt may be megabytes.
_REQUEST_HEAD = 4 * 1024
_MODEL = re.compile(rb'"model"\s*:\s*"((?:[^"\\]|\\.){1,256})"')
# No machine decodes a million tokens a second: the clock or the counter is wrong.
_MAX_RATE = 1e6
# Exchanges in which upstream did its part as far as it was let.
_SERVED = (Outcome.OK, Outcome.CLIENT_ABORT, Outcome.CANCELLED)
_UNREAD = Report(is_stream=False)
_NO_USAGE = Usage()


class Clock(StrEnum):
    """Who measured a decode time; values of the label `source`."""

    # A key of every request; an Enum's own hash is a Python function.
    __hash__ = str.__hash__

    OLLAMA = "ollama"
    PROXY = "proxy"


class Decode(NamedTuple):
    """So many tokens came in so many seconds, by upstream's clock or ours."""

    tokens: int
    seconds: float
    source: Clock

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds


class End(NamedTuple):
    """Everything that the end of one exchange says.

    Attributes:
        first_answer_s: Time to the first visible token, if thinking came before it.
        gap_s: Longest silence after the first token; None: nothing came after it.
        objects: Streamed objects with tokens.
        request_size, answer_size: Bytes of the bodies that were relayed.
        is_text: The request's body is a prompt of text alone.
    """

    outcome: Outcome
    fault: UpstreamFault | None
    status: int | None
    model_name: str
    is_served: bool
    is_stream: bool
    duration_s: float
    first_token_s: float | None
    first_answer_s: float | None
    gap_s: float | None
    decode: Decode | None
    usage: Usage
    objects: int
    finish: str
    request_size: int
    answer_size: int
    is_text: bool
    problems: frozenset[Problem]

    @property
    def rate(self) -> float | None:
        """Tokens per second."""
        return None if self.decode is None else self.decode.rate


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
        *("_answer_size", "_began_at", "_complete_at", "_head", "_is_over", "_listener"),
        *("_read_at", "_reader", "_request_size"),
        *(
            "_request",
            "_requested_model",
            *("_is_text", "_text"),
            "client",
            "id",
            "method",
            "model",
            "route",
            "trace",
        ),
    )

    def __init__(
        self,
        listener: Listener,
        id_: int,
        method: str,
        route: Route,
        now: float,
        client: ClientKind = ClientKind.UNKNOWN,
        trace: str = "",
    ) -> None:
        self.id = id_
        self.client = client
        self.trace = trace
        self.method = method
        self.route = route
        self.model = labels.UNKNOWN
        """The label that the running request has now."""
        self._listener = listener
        self._began_at = now
        self._complete_at: float | None = None
        self._request: bytes | None = b""
        is_prompt = route.reading is Reading.GENERATION
        self._text: PromptText | None = PromptText() if is_prompt else None
        self._is_text = False
        self._requested_model = ""
        self._head: AnswerHead | None = None
        self._reader: Reader | None = None
        self._read_at = now
        self._request_size = 0
        self._answer_size = 0
        self._is_over = False

    @property
    def is_answered(self) -> bool:
        """Upstream's head was passed on."""
        return self._head is not None

    @property
    def chunks(self) -> int:
        """Streamed objects with tokens so far; a last one without may be among them."""
        return 0 if self._reader is None else self._reader.objects

    def request_read(self, data: bytes) -> None:
        """Look for the model in the first 4 KiB of the body."""
        self._request_size += len(data)
        if self._text is not None:
            self._text.feed(data)
        if self._request is None:
            return
        self._request = head = (self._request + data)[:_REQUEST_HEAD]
        is_object = head.startswith(b"{") or head.lstrip().startswith(b"{")
        found = _MODEL.search(head) if is_object else None
        if found is not None:
            # Most streams at a time are of few models.
            self._requested_model = sys.intern(_unquoted(found[1]))
            self._listener.renamed(self, self._requested_model)
        if found is not None or len(head) >= _REQUEST_HEAD:
            self._request = None

    def request_complete(self, now: float) -> None:
        """The time to the first token begins."""
        self._complete_at = now
        self._request = None
        if self._text is not None:
            self._is_text, self._text = self._text.is_alone, None

    def answer_began(self, head: AnswerHead, now: float) -> Reads:
        """Choose how to read the answer."""
        self._head = head
        self._read_at = now
        self._reader = reader = open_reader(self.route, head)
        return self._pass_by if reader is None else reader.feed

    def _pass_by(self, data: bytes, now: float) -> None:
        self._answer_size += len(data)
        self._read_at = now

    def blinded(self) -> Reads:
        """Read no further, and go on counting."""
        self._let_go_of_reader()
        return self._pass_by

    def _let_go_of_reader(self) -> None:
        if self._reader is not None:
            self._answer_size += self._reader.total
            self._reader = None

    def ended(self, ending: Ending, status: int | None, now: float) -> None:
        """Record the exchange, once."""
        if self._is_over:
            return
        self._is_over = True
        report = self._report(is_complete=ending is Ending.COMPLETE)
        self._listener.ended(self, self._end(ending, status, report, now))

    def view(self, now: float, phase: Phase) -> RequestInFlight:
        """Return what can be told while it runs."""
        return RequestInFlight(
            *(self.id, self.method, self.route.endpoint, self.model, self.client),
            *(now - self._began_at, phase, self.chunks),
            None if self._reader is None else self._reader.speed,
        )

    @property
    def phase(self) -> Phase:
        """Where it is."""
        if self._head is None:
            return Phase.RECEIVING if self._complete_at is None else Phase.WAITING
        is_generation = self.route.reading is Reading.GENERATION and self._head.status < 300
        return Phase.GENERATING if is_generation else Phase.RELAYING

    def age_s(self, now: float) -> float:
        """Return the seconds since its head was read."""
        return now - self._began_at

    def silence_s(self, now: float) -> float:
        """Return the seconds since upstream sent something, 0 before it answered."""
        if self._head is None:
            return 0.0
        # Before its first read, a reader's time is infinite.
        reader = self._reader
        read_at = math.inf if reader is None else reader.read_at
        return max(0.0, now - (self._read_at if read_at == math.inf else read_at))

    def _report(self, *, is_complete: bool) -> Report | None:
        if self._reader is None:
            return None
        try:
            return self._reader.finish(is_complete=is_complete)
        except Exception as error:  # noqa: BLE001 - as above; the exchange must still be counted.
            self._listener.failed(error)
            return None
        finally:
            self._let_go_of_reader()

    def _end(self, ending: Ending, status: int | None, report: Report | None, now: float) -> End:
        outcome, fault = judge(ending, status, report, has_head=self._head is not None)
        said = report or _UNREAD
        usage = said.usage or _NO_USAGE
        decode, is_valid = decode_of(said)
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
            first_token_s=self._since_complete(said.first_token_at, outcome),
            first_answer_s=(
                self._since_complete(said.first_answer_at, outcome) if said.thought_first else None
            ),
            gap_s=said.gap_s or None,
            decode=decode,
            usage=usage,
            objects=said.objects,
            finish=said.finish,
            request_size=self._request_size,
            answer_size=self._answer_size,
            is_text=self._is_text and bool(self._requested_model),
            problems=problems,
        )

    def _since_complete(self, moment: float | None, outcome: Outcome) -> float | None:
        if moment is None or self._complete_at is None or outcome not in _SERVED:
            return None
        return max(0.0, moment - self._complete_at)

    def _is_served(self, outcome: Outcome) -> bool:
        """Say whether a 2xx answered for the model."""
        is_told = self.route.reading in COMPUTED
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


def decode_of(report: Report) -> tuple[Decode | None, bool]:
    """Return how fast one answer came, None if unknown, and whether its numbers made sense.

    Upstream's own decode time comes first; else the tokens after the first one and the time
    between the first and the last, as seen here.
    """
    usage = report.usage or _NO_USAGE
    generated = usage.generated_tokens
    if not generated:
        return None, True
    if usage.decode_s:
        decode = Decode(generated, usage.decode_s, Clock.OLLAMA)
        return (decode, True) if decode.rate <= _MAX_RATE else (None, False)
    return _decode_seen(generated, report), True


def _decode_seen(generated: int, report: Report) -> Decode | None:
    first, last = report.first_token_at, report.last_token_at
    if generated < 2 or first is None or last is None or last <= first:
        return None
    decode = Decode(generated - 1, last - first, Clock.PROXY)
    # Faster than that, the stream was buffered somewhere and its times say nothing.
    return decode if decode.rate <= _MAX_RATE else None
