"""What happened -> instruments and the ring of recent requests.

One exchange is one event: all that its end says is recorded in `Recorder.ended`, once, without
await. What stays in step on every scrape moves in the ledger, in one step.
"""

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ollamon.metrics import catalog
from ollamon.metrics.instruments import Instruments
from ollamon.proxy import labels
from ollamon.proxy.events import Problem
from ollamon.proxy.observation import End, Observation
from ollamon.proxy.outcome import Outcome, UpstreamFault
from ollamon.proxy.records import RequestInFlight, RequestRecord
from ollamon.proxy.routes import Reading, Route
from ollamon.proxy.tap import Rejection, Tap

_log = logging.getLogger(__name__)

RECENT = 200
"""Request records that are kept."""


@dataclass(frozen=True, slots=True)
class _ModelInstruments:
    """The cached children of one model: finding one by its labels costs more than adding to it."""

    prompt_tokens: Callable[[float], None]
    generated_tokens: Callable[[float], None]
    tokens_per_second: Callable[[float], None]
    time_per_token: Callable[[float], None]
    time_to_first_token: Callable[[float], None]
    load_duration: Callable[[float], None]


class Recorder:
    """The proxy's instruments, behind the words that the relay uses; a `tap.Meter`.

    Args:
        instruments: The live metrics.
        max_models: Installed models that get series of their own.
        clock: Monotonic seconds, the relay's clock.
        wall: Unix time.
    """

    def __init__(
        self,
        instruments: Instruments,
        *,
        max_models: int,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._instruments = instruments
        self._clock = clock
        self._wall = wall
        self._names = labels.ModelNames(max_models)
        self._ids = itertools.count(1)
        self._open: dict[int, Observation] = {}
        self._recent: deque[RequestRecord] = deque(maxlen=RECENT)
        self._models: dict[str, _ModelInstruments] = {}
        self._durations: dict[tuple[str, str, str], Callable[[float], None]] = {}
        self.answered = 0
        """Exchanges that ended and in which upstream had answered."""
        self._begin_at_zero()

    def began(self, method: str, route: Route, now: float) -> Tap:
        """Count a request head that was understood, and watch its exchange."""
        exchange = Observation(self, next(self._ids), labels.method_label(method), route, now)
        self._open[exchange.id] = exchange
        self._instruments.ledger.move(
            (catalog.REQUESTS_ACCEPTED, (), 1), (catalog.ACTIVE_REQUESTS, (labels.UNKNOWN,), 1)
        )
        return exchange

    def refused(self, reason: Rejection) -> None:
        """Count a request that the proxy refused."""
        self._instruments.counter(catalog.REJECTIONS).labels(reason.value).inc()

    def failed(self, error: Exception) -> None:
        """Count an exception of the observing half; its text may hold a prompt: not logged."""
        self._problem(Problem.EXCEPTION)
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else "?"
        _log.warning("cannot observe an exchange: %s in %s", type(error).__name__, where)

    def known_models(self, names: Iterable[str]) -> None:
        """Give series to the models that Ollama lists, first ones first, while there is room."""
        for label in self._names.learn(names):
            self._instruments_of(label)

    def model_label(self, name: str) -> str | None:
        """Return the label of a model that has series of its own, else None."""
        label = self._names.label(name)
        return label if label in self._names else None

    def recent(self) -> tuple[RequestRecord, ...]:
        """The last requests that ended, oldest first."""
        return tuple(self._recent)

    def in_flight(self) -> tuple[RequestInFlight, ...]:
        """The requests that run, oldest first."""
        now = self._clock()
        return tuple(exchange.view(now) for exchange in self._open.values())

    def _begin_at_zero(self) -> None:
        live = self._instruments
        live.ledger.move((catalog.ACTIVE_REQUESTS, (labels.UNKNOWN,), 0))
        for metric, values in (
            (catalog.REJECTIONS, Rejection),
            (catalog.UPSTREAM_ERRORS, UpstreamFault),
            (catalog.EXTRACTION_ERRORS, Problem),
            (catalog.LABELS_DROPPED, ("model", "endpoint", "method", "status")),
        ):
            for value in values:
                live.counter(metric).labels(str(value))

    def _problem(self, problem: Problem) -> None:
        self._instruments.counter(catalog.EXTRACTION_ERRORS).labels(problem.value).inc()

    def renamed(self, exchange: Observation, name: str) -> None:
        """Move a running request under the model that its body names."""
        label = self._names.label(name)
        active = catalog.ACTIVE_REQUESTS
        self._instruments.ledger.move((active, (exchange.model,), -1), (active, (label,), 1))
        exchange.model = label
        # A scrape while it runs sees its series at 0, so that `rate` counts the first request too.
        self._duration_of(exchange.method, exchange.route.endpoint, label)

    def _instruments_of(self, model: str) -> _ModelInstruments:
        """Return the children of one model; all of them begin together."""
        found = self._models.get(model)
        if found is None:
            live = self._instruments
            found = self._models[model] = _ModelInstruments(
                live.counter(catalog.PROMPT_TOKENS).labels(model).inc,
                live.counter(catalog.GENERATED_TOKENS).labels(model).inc,
                live.histogram(catalog.TOKENS_PER_SECOND).labels(model).observe,
                live.histogram(catalog.TIME_PER_OUTPUT_TOKEN).labels(model).observe,
                live.histogram(catalog.TIME_TO_FIRST_TOKEN).labels(model).observe,
                live.histogram(catalog.MODEL_LOAD_DURATION).labels(model).observe,
            )
        return found

    def _duration_of(self, method: str, endpoint: str, model: str) -> Callable[[float], None]:
        """Return the histogram of requests like this one; all their series begin together."""
        key = (method, endpoint, model)
        found = self._durations.get(key)
        if found is None:
            live = self._instruments
            live.ledger.move(
                (catalog.REQUESTS, (*key, "200"), 0),
                *((catalog.REQUEST_OUTCOMES, (endpoint, model, each.value), 0) for each in Outcome),
            )
            child = live.histogram(catalog.REQUEST_DURATION).labels(*key)
            found = self._durations[key] = child.observe
        return found

    def ended(self, exchange: Observation, end: End) -> None:
        """Record one exchange that is over."""
        self._open.pop(exchange.id, None)
        self.answered += exchange.is_answered
        if end.is_served:
            self._names.admit(end.model_name)
        model = self._names.label(end.model_name)
        status = labels.status_label(end.status)
        method, endpoint = exchange.method, exchange.route.endpoint
        self._instruments.ledger.move(
            (catalog.ACTIVE_REQUESTS, (exchange.model,), -1),
            (catalog.REQUESTS, (method, endpoint, model, status), 1),
            (catalog.REQUEST_OUTCOMES, (endpoint, model, end.outcome.value), 1),
        )
        self._duration_of(method, endpoint, model)(end.duration_s)
        self._count_folded(method, endpoint, model, status)
        if end.fault is not None:
            self._instruments.counter(catalog.UPSTREAM_ERRORS).labels(end.fault.value).inc()
        for problem in end.problems:
            self._problem(problem)
        if exchange.route.reading in (Reading.GENERATION, Reading.EMBEDDING):
            self._observe_generation(self._instruments_of(model), end)
        self._recent.append(self._record(exchange, end, model, status))

    def _count_folded(self, method: str, endpoint: str, model: str, status: str) -> None:
        for name, value in (
            ("method", method),
            ("endpoint", endpoint),
            ("model", model),
            ("status", status),
        ):
            if value == labels.OTHER:
                self._instruments.counter(catalog.LABELS_DROPPED).labels(name).inc()

    @staticmethod
    def _observe_generation(live: _ModelInstruments, end: End) -> None:
        usage = end.usage
        if end.first_token_s is not None:
            live.time_to_first_token(end.first_token_s)
        if end.rate is not None:
            live.tokens_per_second(end.rate)
            live.time_per_token(1 / end.rate)
        if usage.prompt_tokens is not None:
            live.prompt_tokens(usage.prompt_tokens)
        if usage.generated_tokens is not None:
            live.generated_tokens(usage.generated_tokens)
        if usage.load_s:
            live.load_duration(usage.load_s)

    def _record(self, exchange: Observation, end: End, model: str, status: str) -> RequestRecord:
        return RequestRecord(
            id=exchange.id,
            ended_at=self._wall(),
            method=exchange.method,
            endpoint=exchange.route.endpoint,
            model=model,
            status=status,
            outcome=end.outcome.value,
            is_stream=end.is_stream,
            duration_s=end.duration_s,
            time_to_first_token_s=end.first_token_s,
            prompt_tokens=end.usage.prompt_tokens,
            generated_tokens=end.usage.generated_tokens,
            tokens_per_second=end.rate,
            load_s=end.usage.load_s,
            finish=labels.name_label(end.finish),
        )
