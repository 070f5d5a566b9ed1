"""Pieces of an answer's body -> a `Report`, without I/O and in bounded memory.

Until the first visible text every document is parsed, because the first token is found there. After
it only the last few are kept, as bytes, and parsed when the exchange ends, however it ends: usage,
finish reason, final marker and errors all stand at the end of a stream.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import assert_never

from ollamon.proxy.dialects import anthropic, ollama, openai
from ollamon.proxy.dialects.fragments import Fragment
from ollamon.proxy.events import (
    Estimate,
    Event,
    Failure,
    Final,
    Finish,
    Invalid,
    Model,
    Problem,
    Report,
    Token,
    Usage,
)
from ollamon.proxy.lines import Line, LineBuffer, Splitter
from ollamon.proxy.routes import Dialect, Reading, Route
from ollamon.proxy.tap import AnswerHead

# Finish reason, usage and [DONE] are three documents at the end of an OpenAI stream; Anthropic ends
# with content_block_stop, message_delta and message_stop.
KEPT = 4
# A read up to this size is kept as it is when it holds whole lines only: no cutting, no copying.
SMALL = 2 * 1024
# Of a larger read only this much at its end is cut into lines.
WINDOW = 8 * 1024
ROOM = 72 * 1024
"""Bytes that one exchange may keep."""


# Answers are UTF-8: `json.loads` looks for three more codings first.
_decode = json.JSONDecoder().decode


class Form(StrEnum):
    """How documents lie in a body."""

    LINES = "application/x-ndjson"
    EVENTS = "text/event-stream"
    DOCUMENT = "application/json"


_NO_PROBLEMS: frozenset[Problem] = frozenset()
_ENDS = {Form.LINES: b"}\n", Form.EVENTS: b"\n\n", Form.DOCUMENT: b""}
# How a read begins that is one document and its end, and how many line feeds it has then.
_SINGLE = {Form.LINES: (b"{", 1), Form.EVENTS: (b"data: {", 2), Form.DOCUMENT: (b"", 0)}
_FORMS = {form.value: form for form in Form}
_DIALECTS: Mapping[
    Dialect,
    tuple[
        Callable[[object], Iterable[Event]],
        Callable[[Fragment], Mapping[str, object] | None],
    ],
] = {
    Dialect.OLLAMA: (ollama.events, ollama.complete),
    Dialect.OPENAI: (openai.events, openai.complete),
    Dialect.ANTHROPIC: (anthropic.events, anthropic.complete),
}


def open_reader(route: Route, head: AnswerHead) -> "Reader | None":
    """Return a reader for an answer that can tell something, else None.

    Whether it streams is read off the answer's Content-Type, never the request: Ollama streams when
    nothing is asked.
    """
    form = _FORMS.get(head.content_type)
    is_told = route.reading is not Reading.NOTHING and 200 <= head.status < 300
    if form is None or head.is_encoded or not is_told:
        return None
    return Reader(route.dialect, form)


class Reader:
    """Reads one answer. Its calls never keep more than `ROOM` and what one small read adds."""

    __slots__ = (
        *("_begin", "_body", "_breaks", "_complete", "_end", "_estimate", "_events", "_finish"),
        "_first_answer_at",
        *("_first_token_at", "_form", "_gap", "_has_clipped", "_has_failure", "_has_final"),
        *("_is_steady", "_thought_first", "objects", "read_at", "total"),
        *("_last_token_at", "_model", "_problems", "_recent", "_splitter"),
        "_usage",
    )

    def __init__(self, dialect: Dialect, form: Form) -> None:
        self._events, self._complete = _DIALECTS[dialect]
        self._form = form
        self._end = _ENDS[form]
        self._begin, self._breaks = _SINGLE[form]
        self._body = LineBuffer()
        self._splitter = Splitter(self._body)
        self._is_steady = False
        # The last ones, at most KEPT; an empty deque is larger than all else of a stream.
        self._recent: list[tuple[float, bytes, bytes | None]] = []
        self.objects = 0
        """Documents with tokens so far."""
        self._model = ""
        self._finish = ""
        self._usage: Usage | None = None
        self._estimate: Usage | None = None
        self._has_final = False
        self._has_failure = False
        self._has_clipped = False
        self._first_token_at: float | None = None
        self._first_answer_at: float | None = None
        self._last_token_at: float | None = None
        self._problems = _NO_PROBLEMS
        self._thought_first = False
        self._gap = 0.0
        self.read_at = float("inf")
        """When the last read came."""
        self.total = 0
        """Bytes that came."""

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        return self._body.size + self._kept()

    @property
    def speed(self) -> float | None:
        """Objects per second since the first one with a token; None while that is not known."""
        first = self._first_token_at
        if first is None or self.read_at <= first or self.objects < 2:
            return None
        return (self.objects - 1) / (self.read_at - first)

    def feed(self, data: bytes, now: float) -> None:
        """Take what one read brought."""
        gap = now - self.read_at
        if gap > self._gap:
            self._gap = gap
        self.read_at = now
        size = len(data)
        self.total += size
        if self._is_steady:
            if size <= SMALL and data.endswith(self._end) and not self._splitter.size:
                # Mostly one document; counting takes three times as long as to see that.
                if data.find(b"\n") == size - self._breaks and data.startswith(self._begin):
                    self.objects += 1
                elif count := self._count(data, 0, size):
                    self.objects += count
                else:
                    return
                recent = self._recent
                recent.append((now, data, None))
                if len(recent) > KEPT:
                    del recent[0]
            else:
                self._pass_by(data, now)
        elif self._form is Form.DOCUMENT:
            self._body.add(data)
        else:
            for line in self._splitter.feed(data):
                if self._is_steady:
                    self._store(line, now)
                else:
                    self.objects += self._take(line, now)

    def finish(self, *, is_complete: bool) -> Report:
        """Read what was kept and return what the answer said; `is_complete` by its framing."""
        if self._form is Form.DOCUMENT:
            self._read_body(is_complete)
        else:
            self._read_recent()
            self._read_rest(is_complete)
        usage = self._usage
        if self._estimate is not None and self._has_final:
            usage = usage.over(self._estimate) if usage else self._estimate
        if self._has_clipped and self._has_final and usage is None:
            self._problems |= {Problem.OVERSIZE}
        return Report(
            self._form is not Form.DOCUMENT,
            self._model,
            usage,
            self._finish,
            self._has_final,
            self._has_failure,
            self._first_token_at,
            self._first_answer_at,
            self._last_token_at,
            self.objects,
            self._problems,
            self._thought_first,
            self._gap if self._first_token_at is not None else 0.0,
        )

    def _pass_by(self, data: bytes, now: float) -> None:
        for line in self._splitter.feed(self._without_middle(data)):
            self._store(line, now)
        while self._recent and self._splitter.size + self._kept() > ROOM:
            del self._recent[0]

    def _without_middle(self, data: bytes) -> bytes:
        """Return a large read without its middle, of which only the number of documents matters."""
        if len(data) <= WINDOW:
            return data
        first = data.find(self._end) + len(self._end)
        last = data.rfind(self._end, first, len(data) - WINDOW) + len(self._end)
        if last <= first or first < len(self._end):
            return data
        self.objects += self._count(data, first, last)
        return data[:first] + data[last:]

    def _count(self, data: bytes, start: int, end: int) -> int:
        """Return how many documents stand in whole lines; comments and names of events are none."""
        if self._form is Form.LINES:
            return data.count(b"}\n", start, end)
        return data.startswith(b"data:", start) + data.count(b"\ndata:", start, end)

    def _store(self, line: Line, now: float) -> None:
        if self._payload(line) is not None:
            self._keep(now, *line)
            self.objects += 1

    def _keep(self, now: float, head: bytes, tail: bytes | None) -> None:
        self._recent.append((now, head, tail))
        if len(self._recent) > KEPT:
            del self._recent[0]

    def _kept(self) -> int:
        return sum(len(head) + len(tail or b"") for _, head, tail in self._recent)

    def _read_recent(self) -> None:
        # So many documents, however many a read brought: how a body is cut must change nothing.
        last = [(now, line) for now, line in self._recent_lines() if self._payload(line)][-KEPT:]
        for now, line in last:
            if not self._take(line, now):
                self.objects -= 1
        if len(last) == KEPT and self._last_token_at == self._first_answer_at:
            # The last token lies before what was kept.
            self._last_token_at = last[0][0]

    def _recent_lines(self) -> Iterator[tuple[float, Line]]:
        for now, head, tail in self._recent:
            lines = map(Line, head.split(b"\n")) if tail is None else (Line(head, tail),)
            yield from ((now, line) for line in lines)

    def _read_rest(self, is_complete: bool) -> None:
        before = self._problems
        self.objects += self._take(self._splitter.end(), self.read_at)
        if not is_complete:
            # Half a line is no fault of the answer.
            self._problems = before

    def _read_body(self, is_complete: bool) -> None:
        line = self._body.take()
        document = self._parse(line) if line.head.strip() else None
        for event in self._events(document):
            if not isinstance(event, Token):
                self._note(event, 0.0)
        if line.tail is None:
            self._has_final = document is not None
        else:
            self._has_final = is_complete and line.tail.rstrip().endswith(b"}")
        if not is_complete:
            self._problems -= {Problem.JSON}

    def _take(self, line: Line, now: float) -> bool:
        """Read one document; say whether it carried a token."""
        payload = self._payload(line)
        if payload is None:
            return False
        if payload.head == openai.DONE:
            self._has_final = True
            return False
        has_token = False
        for event in self._events(self._parse(payload)):
            self._note(event, now)
            has_token = has_token or isinstance(event, Token)
        return has_token

    def _payload(self, line: Line) -> Line | None:
        """Return the document of a line; None when it holds none."""
        if self._form is not Form.EVENTS:
            return line if line.head and not line.head.isspace() else None
        if not line.head.startswith(b"data:"):
            return None
        return Line(line.head[5:].strip(), line.tail)

    def _parse(self, line: Line) -> object:
        """Return the document of a line, or what is certain of a long one; None when it is none."""
        if line.tail is not None:
            self._has_clipped = True
            return self._complete(Fragment(line.head, line.tail))
        try:
            document: object = _decode(line.head.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            # RecursionError: 200,000 opening brackets are a short line.
            self._problems |= {Problem.JSON}
            return None
        return document

    def _note(self, event: Event, now: float) -> None:
        match event:
            case Model(name):
                # Many streams of one model share its name.
                self._model = sys.intern(name)
            case Token(is_answer):
                self._note_token(is_answer, now)
            case Usage():
                self._usage = event
            case Estimate(usage):
                self._estimate = usage
            case Finish(reason):
                self._finish = reason
            case Final():
                self._has_final = True
            case Failure():
                self._has_failure = True
            case Invalid():
                self._problems |= {Problem.INVALID_NUMBER}
            case _:
                assert_never(event)

    def _note_token(self, is_answer: bool, now: float) -> None:
        self._last_token_at = now
        if self._first_token_at is None:
            self._first_token_at = now
            self._thought_first = not is_answer
            self._gap = 0.0
        if is_answer and self._first_answer_at is None:
            self._first_answer_at = now
            self._is_steady = True
