"""What happened -> instruments and the ring of recent requests.

One exchange is one event: all that its end says is recorded in `Recorder.ended`, once, without
await. What stays in step on every scrape moves in the ledger, in one step.
"""

import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ollamon import readings
from ollamon.metrics import catalog
from ollamon.metrics.instruments import Example, Instruments, Move, Samples
from ollamon.metrics.requests import Outcome, RequestRecord
from ollamon.proxy import labels
from ollamon.proxy.agents import ClientKind
from ollamon.proxy.attribution import Attribution
from ollamon.proxy.events import Problem
from ollamon.proxy.generation import (
    NO_GENERATION,
    ModelMeter,
    UsageState,
    finish_reason,
    usage_state,
)
from ollamon.proxy.observation import End, Observation
from ollamon.proxy.outcome import UpstreamFault
from ollamon.proxy.phases import WAITING, phases
from ollamon.proxy.records import Phase, RequestInFlight, RequestKind
from ollamon.proxy.residence import Residence, Resident
from ollamon.proxy.ring import Numbers, Ring
from ollamon.proxy.routes import COMPUTED, GENERATING, Route
from ollamon.proxy.sharing import Work
from ollamon.proxy.tap import Rejection, Tap

_log = logging.getLogger(__name__)

# A proxy would have to serve a million requests a second, always, to reach the numbers of a later
# start; and a JSON number holds every integer up to 2**53, which is the year 2255.
_NUMBERS_PER_MILLISECOND = 1024

# Each costs some 35 series; who tries all methods on all paths would make a quarter of a million.
_PLACES_PER_MODEL = 2
_FEWEST_PLACES = 64

_Place = tuple[str, str, str]
"""Method, endpoint and model."""
_ANYWHERE: _Place = (labels.OTHER, labels.OTHER, labels.OTHER)
_ACTIVE = catalog.ACTIVE_REQUESTS
_BEGAN: tuple[Move, Move] = (
    (catalog.REQUESTS_ACCEPTED, (), 1),
    (_ACTIVE, (labels.UNKNOWN,), 1),
)
# An answer that brings nothing for so long is stalled.
STALLED_S = 60.0


class _Alike(NamedTuple):
    """What requests that end alike share; to look all of it up costs more than to add to it.

    Attributes:
        kind: As their records have it.
        folded: Count each label that is `other`.
    """

    kind: RequestKind
    moves: tuple[Move, Move]
    duration: Callable[[float, Example], None]
    request_size: Callable[[float], None]
    answer_size: Callable[[float], None]
    folded: tuple[Callable[[], None], ...]


_Likeness = tuple[str, str, str, int | None, Outcome, str, ClientKind]


class Recorder:
    """The proxy's instruments, behind the words that the relay uses; a `tap.Meter`.

    Args:
        instruments: The live metrics.
        max_models: Installed models that get series of their own.
        recent: Requests that ended and are kept.
        clock: Monotonic seconds, the relay's clock.
        wall: Unix time.
    """

    def __init__(
        self,
        instruments: Instruments,
        *,
        max_models: int,
        recent: int,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._instruments = instruments
        self._clock = clock
        self._wall = wall
        self._names = labels.ModelNames(max_models)
        start = int(wall() * 1000) * _NUMBERS_PER_MILLISECOND
        self._ids = itertools.count(start + 1)
        self._open: dict[int, Observation] = {}
        self.ring = Ring(recent, start)
        self._move = instruments.ledger.move
        self._alike: dict[_Likeness, _Alike] = {}
        self._models: dict[str, ModelMeter] = {}
        self._residence = Residence()
        self._attribution = Attribution()
        self._remote: frozenset[str] = frozenset()
        self._durations: dict[_Place, Callable[[float, Example], None]] = {}
        places = _PLACES_PER_MODEL * labels.most_models(max_models)
        self._most_places = max(_FEWEST_PLACES, places)
        self.answered = 0
        """Exchanges that ended and in which upstream had answered."""
        self._begin_at_zero()
        self._gap = instruments.histogram(catalog.STREAM_GAP).labels().observe
        self._connect = instruments.histogram(catalog.UPSTREAM_CONNECT).labels().observe
        self._overhead = instruments.histogram(catalog.OVERHEAD_SECONDS).labels().observe
        instruments.board.ask(self._show_in_flight)

    def began(
        self,
        method: str,
        route: Route,
        now: float,
        client: ClientKind = ClientKind.UNKNOWN,
        trace: str = "",
    ) -> Tap:
        """Count a request head that was understood, and watch its exchange."""
        method = labels.method_label(method)
        exchange = Observation(self, next(self._ids), method, route, now, client, trace)
        self._open[exchange.id] = exchange
        self._move(*_BEGAN)
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

    def connected(self, seconds: float) -> None:
        """Record a new connection to upstream."""
        self._connect(seconds)

    def relayed(self, seconds: float) -> None:
        """Record what one exchange waited for us."""
        self._overhead(seconds)

    def polled(self, models: Mapping[str, Resident] | None) -> None:
        """Take the models in memory, by label; None: Ollama does not tell."""
        running = {exchange.model for exchange in self._open.values()}
        found = self._residence.poll(models, running, self._wall())
        for model, reason in found.loads:
            self._instruments.counter(catalog.MODEL_LOADS).labels(model, reason.value).inc()
        for model in found.bypassed:
            self._instruments.counter(catalog.MODEL_UNPROXIED_USES).labels(model).inc()

    def model_label(self, name: str) -> str | None:
        """Return the label of a model that has series of its own, else None."""
        label = self._names.label(name)
        return label if label in self._names else None

    def remote_models(self, names: Iterable[str]) -> None:
        """Learn which models another machine runs."""
        found = map(self.model_label, names)
        self._remote = frozenset(label for label in found if label is not None)

    def attribute(self, reading: readings.Reading, now: float) -> Samples:
        """Share what the machine drew between the requests; return the series of it.

        `now` is when the reading came, in monotonic seconds.
        """
        running = [
            Work(each.id, each.model, each.chunks)
            for each in self._open.values()
            if self._is_local(each, each.model)
        ]
        for seq, joules in self._attribution.take(reading, now, running):
            self.ring.settle(seq, joules)
        return self._attribution.samples(m for m in self._models if not self._is_remote(m))

    def _is_local(self, exchange: Observation, model: str) -> bool:
        return exchange.route.reading in COMPUTED and not self._is_remote(model)

    def _is_remote(self, model: str) -> bool:
        return model in self._remote or labels.is_remote(model)

    def recent(self) -> tuple[RequestRecord, ...]:
        """The last requests that ended, oldest first."""
        return tuple(self.ring.since(0, self.ring.size).records())

    def in_flight(self) -> tuple[RequestInFlight, ...]:
        """The requests that run, oldest first."""
        now = self._clock()
        running = phases(self._open.values(), self._residence)
        return tuple(exchange.view(now, phase) for phase, exchange in running)

    def _show_in_flight(self) -> None:
        """Put what runs on the board; called in the thread of a scrape."""
        open_ones = list(phases(self._open.copy().values(), self._residence))
        board, now = self._instruments.board, self._clock()
        counts = Counter(phase for phase, _ in open_ones)
        for phase in Phase:
            board.set(catalog.REQUESTS_IN_PHASE, counts[phase], phase.value)
        ages = [each.age_s(now) for phase, each in open_ones if phase in WAITING]
        board.set(catalog.OLDEST_WAITING, max(ages, default=0.0))
        stalled = sum(each.silence_s(now) >= STALLED_S for _, each in open_ones)
        board.set(catalog.STALLED_REQUESTS, stalled)

    def _begin_at_zero(self) -> None:
        live = self._instruments
        usage_reports = live.counter(catalog.USAGE_REPORTS)
        self._usage_reports = {
            (endpoint, state): usage_reports.labels(endpoint, state.value).inc
            for endpoint in GENERATING
            for state in UsageState
        }
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
        self._move((_ACTIVE, (exchange.model,), -1), (_ACTIVE, (label,), 1))
        exchange.model = label
        # A scrape while it runs sees its series at 0, so that `rate` counts the first request too.
        place = (exchange.method, exchange.route.endpoint, label)
        if place not in self._durations:
            self._duration_of(self._place_of(place))

    def _instruments_of(self, model: str) -> ModelMeter:
        """Return the series of one model; all of them begin together."""
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = ModelMeter(
                self._instruments, model, is_named=model in self._names
            )
        return found

    def _place_of(self, wanted: _Place) -> _Place:
        """Return where a request is counted: under its own labels, while there is room for them."""
        if wanted in self._durations or len(self._durations) < self._most_places:
            return wanted
        method, endpoint, _ = wanted
        without_model = (method, endpoint, labels.OTHER)
        return without_model if without_model in self._durations else _ANYWHERE

    def _duration_of(self, place: _Place) -> Callable[[float, Example], None]:
        """Return the histogram of requests like this one; all their series begin together."""
        found = self._durations.get(place)
        if found is None:
            live, (_, endpoint, model) = self._instruments, place
            live.ledger.move(
                (catalog.REQUESTS, (*place, "200"), 0),
                *((catalog.REQUEST_OUTCOMES, (endpoint, model, each.value), 0) for each in Outcome),
            )
            child = live.histogram(catalog.REQUEST_DURATION).labels(*place)
            found = self._durations[place] = child.observe
        return found

    def ended(self, exchange: Observation, end: End) -> None:
        """Record one exchange that is over."""
        self._open.pop(exchange.id, None)
        self.answered += exchange.is_answered
        if end.is_served:
            self._names.admit(end.model_name)
        model = self._names.label(end.model_name)
        endpoint = exchange.route.endpoint
        finish = finish_reason(end.finish).value if end.finish else ""
        likeness = (
            *(exchange.method, endpoint, model, end.status, end.outcome),
            *(finish, exchange.client),
        )
        alike = self._alike.get(likeness) or self._alike_of(likeness)
        self._move((_ACTIVE, (exchange.model,), -1), *alike.moves)
        example = Example(exchange.id, exchange.trace, self._wall())
        alike.duration(end.duration_s, example)
        alike.request_size(end.request_size)
        alike.answer_size(end.answer_size)
        for count in alike.folded:
            count()
        if end.fault is not None:
            self._instruments.counter(catalog.UPSTREAM_ERRORS).labels(end.fault.value).inc()
        for problem in end.problems:
            self._problem(problem)
        if exchange.route.reading in COMPUTED:
            self._observe_generation(endpoint, model, end, example)
        elif model in self._names:
            self._residence.use(model, None)
        self._remember(example, end, alike.kind)
        if self._is_local(exchange, model) and not _is_undone(end):
            self._attribution.ended(Work(exchange.id, model, end.objects), self.ring.last)

    def _remember(self, example: Example, end: End, kind: RequestKind) -> None:
        usage = end.usage
        numbers = Numbers(
            example.request_id,
            example.at,
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.generated_tokens,
            end.duration_s,
            end.first_token_s,
            end.rate,
            usage.load_s,
            usage.prefill_s,
            usage.decode_s,
            None,
        )
        self.ring.add(kind, numbers, end.is_stream)

    def _alike_of(self, likeness: _Likeness) -> _Alike:
        """Return what a request like this one adds to; kept, as the series are."""
        live = self._instruments
        method, route, model, code, outcome, finish, client = likeness
        place, status = self._place_of((method, route, model)), labels.status_label(code)
        method, endpoint, model = place
        dropped = live.counter(catalog.LABELS_DROPPED)
        named = (("method", method), ("endpoint", endpoint), ("model", model), ("status", status))
        found = self._alike[likeness] = _Alike(
            RequestKind(*place, status, outcome, finish, client),
            (
                (catalog.REQUESTS, (*place, status), 1),
                (catalog.REQUEST_OUTCOMES, (endpoint, model, outcome.value), 1),
            ),
            self._duration_of(place),
            live.histogram(catalog.REQUEST_SIZE).labels(route).observe,
            live.histogram(catalog.RESPONSE_SIZE).labels(route).observe,
            tuple(dropped.labels(name).inc for name, value in named if value == labels.OTHER),
        )
        return found

    def _observe_generation(self, endpoint: str, model: str, end: End, example: Example) -> None:
        is_cold = model in self._names and self._residence.use(model, end.usage.load_s)
        # A load may have come with another context than the one that the last poll saw.
        context = None if is_cold else self._residence.context_of(model)
        meter = self._instruments_of(model)
        meter.observe(end, example, is_cold=is_cold, context=context)
        if end.gap_s is not None:
            self._gap(end.gap_s)
        is_generation = finish_reason(end.finish) not in NO_GENERATION
        count = self._usage_reports.get((endpoint, usage_state(end.usage)))
        if count is not None and end.outcome is Outcome.OK and is_generation:
            count()


def _is_undone(end: End) -> bool:
    """Say whether no model worked for a request."""
    was_refused = end.outcome in (Outcome.REJECTED, Outcome.CLIENT_ERROR)
    return was_refused or end.fault is UpstreamFault.REFUSED
