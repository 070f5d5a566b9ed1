"""Catalog entry -> live object on a given registry.

Counters and histograms that exist from birth are prometheus_client's own. Everything that may be
unknown stands on a `Board`: it yields a sample only while a value is known and fresh, because a
prometheus_client Gauge would say 0 from birth. What must balance on every scrape stands in a
`Ledger`, which moves several families in one step. HELP and TYPE are always printed.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from ollamon.metrics import catalog

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

Labels = tuple[str, ...]
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class _Known:
    value: float
    until: float


class Board(Collector):
    """Values that may be unknown, by metric and label values. Thread-safe.

    Args:
        metrics: What the board serves; in this order.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        metrics: tuple[catalog.Metric, ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
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

    def move(self, *moves: tuple[catalog.Metric, Labels, float]) -> None:
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
        family = _family(metric)
        for labels, value in samples.items():
            family.add_metric(labels, value)
        yield family


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


class Instruments:
    """Every metric of the catalog, alive on one registry.

    Attributes:
        board: The values that may be unknown.
        ledger: The counts that balance on every scrape.
    """

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._live: dict[catalog.Metric, object] = {}
        for metric in catalog.CATALOG:
            if metric.from_birth and metric not in LEDGER:
                self._live[metric] = _make(metric, registry)
        self.ledger = Ledger(LEDGER)
        registry.register(self.ledger)
        self.board = Board(tuple(m for m in catalog.CATALOG if not m.from_birth), clock)
        registry.register(self.board)

    def counter(self, metric: catalog.Counter) -> prometheus_client.Counter:
        """The live counter of a declaration that exists from birth and is not in the ledger."""
        found = self._live[metric]
        assert isinstance(found, prometheus_client.Counter)  # noqa: S101
        return found

    def histogram(self, metric: catalog.Histogram) -> prometheus_client.Histogram:
        """The live histogram of a declaration."""
        found = self._live[metric]
        assert isinstance(found, prometheus_client.Histogram)  # noqa: S101
        return found


def _make(metric: catalog.Metric, registry: CollectorRegistry) -> object:
    if isinstance(metric, catalog.Histogram):
        return prometheus_client.Histogram(
            metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
        )
    return prometheus_client.Counter(metric.name, metric.help, metric.labels, registry=registry)
