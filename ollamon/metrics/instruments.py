"""Catalog entry -> live object on a given registry.

Counters and histograms that exist from birth are `Tally` and `Spread`: a request adds to some
thirty of them, and prometheus_client's own take a lock for each and look for a bucket one by one.
Everything that may be unknown stands on a `Board`: it yields a sample only while a value is known
and fresh, because a prometheus_client Gauge would say 0 from birth. What must balance on every
scrape stands in a `Ledger`, which moves several families in one step. HELP and TYPE are always
printed.
"""

import math
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from ollamon.compat import Compat
from ollamon.metrics import catalog

Labels = tuple[str, ...]
Samples = dict[catalog.Metric, Mapping[Labels, float | None]]
"""What a board learns of whole families; None is unknown."""
Move = tuple[catalog.Metric, Labels, float]
"""What a ledger adds to one series."""
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class _Known:
    value: float
    until: float


class Board(Collector):
    """Values that may be unknown, by metric and label values. Thread-safe.

    Args:
        metrics: What the board takes, and serves in this order.
        clock: Monotonic seconds.
        hidden: What it takes and does not serve.
    """

    def __init__(
        self,
        metrics: tuple[catalog.Metric, ...],
        clock: Callable[[], float] = time.monotonic,
        hidden: frozenset[catalog.Metric] = frozenset(),
    ) -> None:
        self._clock = clock
        self._hidden = hidden
        self._lock = threading.Lock()
        self._values: dict[catalog.Metric, dict[Labels, _Known]] = {key: {} for key in metrics}
        self._sources: list[Callable[[], None]] = []

    def ask(self, source: Callable[[], None]) -> None:
        """Call `source` at each scrape, in the scraping thread, so that it may set fresh values."""
        self._sources.append(source)

    def set(
        self, metric: catalog.Metric, value: float | None, *labels: str, lasts: float = FOREVER
    ) -> None:
        """Learn a value for `lasts` seconds; None, or a number that is not finite, is unknown."""
        with self._lock:
            self._put(metric, labels, value, lasts)

    def replace(
        self,
        metric: catalog.Metric,
        values: Mapping[Labels, float | None],
        *,
        lasts: float = FOREVER,
    ) -> None:
        """Learn all series of a metric at once; those that are not named vanish."""
        with self._lock:
            self._values[metric].clear()
            for labels, value in values.items():
                self._put(metric, labels, value, lasts)

    def _put(
        self, metric: catalog.Metric, labels: Labels, value: float | None, lasts: float
    ) -> None:
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} has the labels {metric.labels}, got {labels}")
        series = self._values[metric]
        # One lone surrogate in a label would break this scrape and every later one.
        labels = tuple(label.encode(errors="replace").decode() for label in labels)
        if value is None or not math.isfinite(value):
            series.pop(labels, None)
        else:
            series[labels] = _Known(value, self._clock() + lasts)

    def collect(self) -> Iterator[Family]:
        """Yield every family, with the samples that are known now."""
        for source in self._sources:
            source()
        now = self._clock()
        with self._lock:
            known = {
                metric: {labels: item.value for labels, item in series.items() if item.until > now}
                for metric, series in self._values.items()
                if metric not in self._hidden
            }
        yield from _families(known)


class Ledger(Collector):
    """Counts that move together, so that each scrape sees all of a move or nothing. Thread-safe.

    A dict under one lock, not prometheus_client's objects: those are read one by one, and a scrape
    in another thread would meet a request that was accepted and is neither active nor ended.
    """

    def __init__(self, metrics: tuple[catalog.Metric, ...]) -> None:
        self._lock = threading.Lock()
        self._values: dict[catalog.Metric, dict[Labels, float]] = {
            metric: {} if metric.labels else {(): 0} for metric in metrics
        }

    def move(self, *moves: Move) -> None:
        """Add each amount to its series, all at once; an amount of 0 makes a series begin."""
        with self._lock:
            for metric, labels, amount in moves:
                series = self._values[metric]
                series[labels] = series.get(labels, 0) + amount

    def collect(self) -> Iterator[Family]:
        """Yield every family as it stood at one moment."""
        with self._lock:
            known = {metric: series.copy() for metric, series in self._values.items()}
        yield from _families(known)


def _families(known: Mapping[catalog.Metric, Mapping[Labels, float]]) -> Iterator[Family]:
    for metric, samples in known.items():
        yield _filled(metric, samples)


def _filled(metric: catalog.Metric, samples: Mapping[Labels, float]) -> Family:
    family = _family(metric)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


def _family(metric: catalog.Metric) -> GaugeMetricFamily | CounterMetricFamily:
    if isinstance(metric, catalog.Counter):
        name = metric.name.removesuffix("_total")
        return CounterMetricFamily(name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


LEDGER = (
    catalog.REQUESTS_ACCEPTED,
    catalog.REQUESTS,
    catalog.REQUEST_OUTCOMES,
    catalog.ACTIVE_REQUESTS,
)
"""accepted = sum(requests) + sum(active) and sum(requests) = sum(outcomes), on every scrape."""


class Tally:
    """One series of a counter. Added to in one thread, read in any."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add an amount.

        Raises:
            ValueError: It is negative, or no number.
        """
        if not amount >= 0:
            raise ValueError(f"a counter cannot grow by {amount}")
        self.value += amount


class Example(NamedTuple):
    """One observed request, for those who want to look at that one.

    Attributes:
        request_id: `id` of its record.
        trace_id: The client's, or "".
        at: Unix time.
    """

    request_id: int
    trace_id: str
    at: float

    def told_with(self, value: float) -> Exemplar:
        """Return it as OpenMetrics takes it; its labels have at most 128 characters."""
        labels = {"request_id": str(self.request_id)}
        if self.trace_id:
            labels["trace_id"] = self.trace_id
        return Exemplar(labels, value, self.at)


class Spread:
    """One series of a histogram. Added to in one thread, read in any.

    Args:
        bounds: Upper bounds, in order, without infinity.
    """

    __slots__ = ("_bounds", "_counts", "_examples", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._examples: dict[int, tuple[float, Example]] = {}

    def observe(self, value: float, example: Example | None = None) -> None:
        """Count a value in its bucket, of which the last example is kept."""
        place = bisect_left(self._bounds, value)
        self._counts[place] += 1
        self._sum += value
        if example is not None:
            self._examples[place] = (value, example)

    def read(self) -> tuple[list[int], float]:
        """Return how many values each upper bound holds, those below included, and their sum."""
        return list(accumulate(self._counts.copy())), self._sum

    def examples(self) -> Mapping[int, tuple[float, Example]]:
        """Return the last value of each bucket, by its place, and what was observed."""
        return self._examples.copy()


SeriesT = TypeVar("SeriesT", Tally, Spread)


class Series(Generic[SeriesT]):
    """All series of one family, by label values; the one without labels begins at once."""

    def __init__(self, metric: catalog.Metric, make: Callable[[], SeriesT]) -> None:
        self._metric = metric
        self._make: Callable[[], SeriesT] = make
        self._known: dict[Labels, SeriesT] = {}
        if not metric.labels:
            self.labels()

    def labels(self, *values: str) -> SeriesT:
        """Return the series of these label values, which begins at 0.

        Raises:
            ValueError: There are more or fewer labels.
        """
        found = self._known.get(values)
        if found is None:
            if len(values) != len(self._metric.labels):
                wanted = self._metric.labels
                raise ValueError(f"{self._metric.name} has the labels {wanted}, got {values}")
            found = self._known[values] = self._make()
        return found

    def known(self) -> Mapping[Labels, SeriesT]:
        """Return the series there are."""
        return self._known.copy()


class CounterSeries(Series[Tally]):
    """A counter."""

    def __init__(self, metric: catalog.Counter) -> None:
        super().__init__(metric, Tally)

    def inc(self, amount: float = 1) -> None:
        """Add to the series without labels."""
        self.labels().inc(amount)

    def family(self) -> Family:
        """Return what a scrape sees."""
        return _filled(self._metric, {key: each.value for key, each in self.known().items()})


class HistogramSeries(Series[Spread]):
    """A histogram."""

    def __init__(self, metric: catalog.Histogram) -> None:
        super().__init__(metric, lambda: Spread(metric.buckets))
        self._bounds = [*map(floatToGoString, metric.buckets), "+Inf"]

    def observe(self, value: float) -> None:
        """Count in the series without labels."""
        self.labels().observe(value)

    def family(self) -> Family:
        """Return what a scrape sees."""
        metric = self._metric
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for values, series in self.known().items():
            counts, total = series.read()
            buckets: list[Any] = list(zip(self._bounds, counts, strict=True))
            for place, (value, example) in series.examples().items():
                buckets[place] = (*buckets[place], example.told_with(value))
            family.add_metric(values, buckets, total)
        return family


class _Family(Protocol):
    def family(self) -> Family: ...


class Live(Collector):
    """The families that exist from birth."""

    def __init__(self, families: Mapping[catalog.Metric, _Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        """Yield every family."""
        for each in self._families.values():
            yield each.family()


class Instruments:
    """Every metric of the catalog, alive on one registry.

    Args:
        registry: Where scrapes find what is not hidden.
        clock: Monotonic seconds.
        compat: Which names are served; what is hidden counts all the same.

    Attributes:
        board: The values that may be unknown.
        ledger: The counts that balance on every scrape.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
        compat: Compat = Compat.BOTH,
    ) -> None:
        unseen = catalog.hidden(compat)
        self._counters: dict[catalog.Metric, CounterSeries] = {}
        self._histograms: dict[catalog.Metric, HistogramSeries] = {}
        live: dict[catalog.Metric, _Family] = {}
        for metric in catalog.CATALOG:
            if isinstance(metric, catalog.Histogram):
                live[metric] = self._histograms[metric] = HistogramSeries(metric)
            elif isinstance(metric, catalog.Counter) and _is_counted(metric):
                live[metric] = self._counters[metric] = CounterSeries(metric)
        registry.register(Live({each: live[each] for each in live if each not in unseen}))
        self.ledger = Ledger(LEDGER)
        registry.register(self.ledger)
        self.board = Board(tuple(m for m in catalog.CATALOG if not m.from_birth), clock, unseen)
        registry.register(self.board)

    def counter(self, metric: catalog.Counter) -> CounterSeries:
        """The live counter of a declaration that exists from birth and is not in the ledger."""
        return self._counters[metric]

    def histogram(self, metric: catalog.Histogram) -> HistogramSeries:
        """The live histogram of a declaration."""
        return self._histograms[metric]


def _is_counted(metric: catalog.Counter) -> bool:
    return metric.from_birth and metric not in LEDGER
