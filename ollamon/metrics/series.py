"""Samples of the last hour by series, read as Prometheus reads them, without I/O.

A range of Prometheus 2.x holds both of its edges, [t - w, t]; Prometheus 3 leaves the left one out.
Times are whole milliseconds, as Prometheus keeps them, so that an edge is never a matter of
rounding. A series that a scrape no longer names ends there, as it does in Prometheus: its last
value is not carried on, while rates still see the samples before the end.
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

KEEP_S = 65 * 60
MAX_SERIES = 4000
# 65 minutes at a scrape each 5 s; with MAX_SERIES at most 51 MB.
MAX_SAMPLES = 800
LOOKBACK_MS = 300_000
# Prometheus 2.x: True. Prometheus 3: False.
LEFT_CLOSED = True

Labels = tuple[tuple[str, str], ...]
"""Label pairs, sorted by name; a label without a value is left out."""


class Sample(NamedTuple):
    """One line of an exposition."""

    name: str
    labels: Mapping[str, str]
    value: float


def key_of(labels: Mapping[str, str]) -> Labels:
    """The labels as a key."""
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def milliseconds(t: float) -> int:
    """Unix seconds as Prometheus counts them."""
    return round(t * 1000)


class Track(Protocol):
    """One series, however it is kept. Times are Unix milliseconds."""

    def last(self, at: int) -> float | None:
        """The value at a time; None when there is none."""
        ...

    def rate(self, at: int, width: int) -> float | None:
        """Increase per second over the `width` ms before `at`; None when it is not known."""
        ...


class Store(Protocol):
    """Series by name, however they are kept."""

    def select(
        self, name: str, matches: Callable[[Labels], bool] | None = None
    ) -> Iterator[tuple[Labels, Track]]:
        """Yield the series of a name whose labels match, in the order of their labels."""
        ...


class Ring:
    """The samples of one series, oldest first. NaN marks its end."""

    __slots__ = ("_times", "_values")

    def __init__(self) -> None:
        self._times = array("q")
        self._values = array("d")

    def add(self, at: int, value: float) -> None:
        """Append a sample; one that is not newer than the last is dropped."""
        if self._times and at <= self._times[-1]:
            return
        self._times.append(at)
        self._values.append(value)
        if len(self._times) > MAX_SAMPLES * 5 // 4:
            self._drop(len(self._times) - MAX_SAMPLES)

    def end(self, at: int) -> None:
        """The series was not seen at this time."""
        if self._values and not math.isnan(self._values[-1]):
            self.add(at, math.nan)

    def forget(self, before: int) -> bool:
        """Drop what is older; True when nothing is left."""
        self._drop(bisect_left(self._times, before))
        return not self._times

    def last(self, at: int) -> float | None:
        """The value at this time: the newest sample of the five minutes before it."""
        edge = at - LOOKBACK_MS
        i = bisect_right(self._times, at) - 1
        if i < 0 or self._times[i] < edge or (self._times[i] == edge and not LEFT_CLOSED):
            return None
        return None if math.isnan(self._values[i]) else self._values[i]

    def rate(self, at: int, width: int) -> float | None:
        """Increase per second over the `width` ms before `at`; None with fewer than two samples."""
        times, values = self._window(at, width)
        if len(times) < 2:
            return None
        increase = _increase(values)
        return increase * (_stretch(times, values[0], increase, at, width) / (width / 1000))

    def _window(self, at: int, width: int) -> tuple[Sequence[int], Sequence[float]]:
        side = bisect_left if LEFT_CLOSED else bisect_right
        a, b = side(self._times, at - width), bisect_right(self._times, at)
        times: Sequence[int] = self._times[a:b]
        values: Sequence[float] = self._values[a:b]
        if any(map(math.isnan, values)):
            kept = [i for i, value in enumerate(values) if not math.isnan(value)]
            times = [times[i] for i in kept]
            values = [values[i] for i in kept]
        return times, values

    def _drop(self, count: int) -> None:
        del self._times[:count], self._values[:count]


def _increase(values: Sequence[float]) -> float:
    """The last value less the first; a value that falls is a counter that began again at 0."""
    increase = values[-1] - values[0]
    for before, after in pairwise(values):
        if after < before:
            increase += before
    return increase


def _stretch(times: Sequence[int], first: float, increase: float, at: int, width: int) -> float:
    """By how much the increase between the samples grows when it is carried to the window's edges.

    An edge further away than 1.1 times the usual distance of samples is not reached: half a
    distance is added instead. A counter is not carried back below 0. The order of operations is
    Prometheus' own: a quantile on the edge of a bucket turns on the last bit.
    """
    sampled = (times[-1] - times[0]) / 1000
    to_start, to_end = (times[0] - (at - width)) / 1000, (at - times[-1]) / 1000
    distance = sampled / (len(times) - 1)
    if increase > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / increase))
    span = sampled
    for gap in (to_start, to_end):
        span += gap if gap < distance * 1.1 else distance / 2
    return span / sampled


class SeriesStore:
    """Name -> labels -> ring, filled by whole scrapes.

    Attributes:
        refused: Samples of series beyond `max_series`, which are not kept.
    """

    def __init__(self, *, keep_s: float = KEEP_S, max_series: int = MAX_SERIES) -> None:
        self._keep = milliseconds(keep_s)
        self._max_series = max_series
        self._series: dict[str, dict[Labels, Ring]] = {}
        self._seen: dict[tuple[str, Labels], Ring] = {}
        self._unsorted: set[str] = set()
        self._newest = 0
        self.refused = 0

    def __len__(self) -> int:
        return sum(map(len, self._series.values()))

    def add(self, t: float, samples: Iterable[Sample]) -> None:
        """Take one scrape; a failed one has no samples. Series that it does not name end.

        A clock that was set back makes all that is kept worthless: it is dropped.
        """
        at = milliseconds(t)
        if at < self._newest:
            self._series.clear()
            self._seen.clear()
        self._newest = at
        before, self._seen = self._seen, {}
        for sample in samples:
            self._put(at, sample)
        self._sort()
        for key, ring in before.items():
            if key not in self._seen:
                ring.end(at)
        self._forget(at - self._keep)

    def select(
        self, name: str, matches: Callable[[Labels], bool] | None = None
    ) -> Iterator[tuple[Labels, Ring]]:
        """Yield the series of a name whose labels match, in the order of their labels."""
        for labels, ring in self._series.get(name, {}).items():
            if matches is None or matches(labels):
                yield labels, ring

    def _put(self, at: int, sample: Sample) -> None:
        if math.isnan(sample.value):
            return
        labels = key_of(sample.labels)
        family = self._series.setdefault(sample.name, {})
        ring = family.get(labels)
        if ring is None:
            if len(self) >= self._max_series:
                self.refused += 1
                return
            ring = family[labels] = Ring()
            self._unsorted.add(sample.name)
        ring.add(at, sample.value)
        self._seen[sample.name, labels] = ring

    def _sort(self) -> None:
        """Prometheus adds series up in this order; sums depend on it in their last bit."""
        for name in self._unsorted:
            self._series[name] = dict(sorted(self._series[name].items()))
        self._unsorted.clear()

    def _forget(self, before: int) -> None:
        for name, family in list(self._series.items()):
            for labels in [labels for labels, ring in family.items() if ring.forget(before)]:
                del family[labels]
            if not family:
                del self._series[name]
