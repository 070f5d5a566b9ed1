"""Typed expressions over the catalog: each is PromQL and evaluates itself, without I/O.

`promql()` is for a Prometheus, `eval(series, t)` for samples of our own; both give the same numbers
(tests/metrics/test_differential.py asks a real Prometheus). What makes no sense is a type error:
the rate of a gauge, the quantile of anything but a histogram.
"""

import math
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import ClassVar, Literal

from ollamon.metrics.catalog import Counter, Gauge, Histogram, Metric
from ollamon.metrics.series import Labels, Store, milliseconds

MINUTE_S = 60
TARGET_LABELS = ("instance", "job")
"""What a Prometheus adds to every sample that it scrapes; no metric declares them."""

Vector = dict[Labels, float]
"""Value of each series at one time; an absent series is unknown."""


class Comparison(StrEnum):
    """How a label is compared."""

    IS = "="
    IS_NOT = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on one label; an absent label is ""."""

    label: str
    comparison: Comparison
    value: str

    def __str__(self) -> str:
        text = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.comparison}"{text}"'

    def holds(self, value: str) -> bool:
        """Say whether a label's value fulfils the condition."""
        match self.comparison:
            case Comparison.IS:
                return value == self.value
            case Comparison.IS_NOT:
                return value != self.value
            case Comparison.MATCHES:
                return re.fullmatch(self.value, value) is not None
            case Comparison.MATCHES_NOT:
                return re.fullmatch(self.value, value) is None


@dataclass(frozen=True, slots=True)
class Part:
    """The sum or the number of a histogram's observations: a counter."""

    histogram: Histogram
    kind: Literal["sum", "count"]

    @property
    def name(self) -> str:
        """As in the exposition."""
        return f"{self.histogram.name}_{self.kind}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the histogram."""
        return self.histogram.labels


@dataclass(frozen=True)
class Expression(ABC):
    """Something that has a value for each of its series at a time."""

    is_division: ClassVar[bool] = False

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """What tells its series apart."""

    @property
    @abstractmethod
    def names(self) -> frozenset[str]:
        """The samples that it reads, by their names in an exposition."""

    @abstractmethod
    def promql(self) -> str:
        """The expression for a Prometheus."""

    @abstractmethod
    def eval(self, series: Store, t: float) -> Vector:
        """Evaluate at `t` (Unix seconds), as Prometheus would."""


@dataclass(frozen=True)
class Value(Expression):
    """`metric{...}`: the last sample."""

    metric: Gauge | Counter
    where: tuple[Where, ...] = ()

    def __post_init__(self) -> None:
        _check(self.metric, (condition.label for condition in self.where))

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the metric."""
        return self.metric.labels

    @property
    def names(self) -> frozenset[str]:
        """The metric's."""
        return frozenset({self.metric.name})

    def promql(self) -> str:
        """A selector."""
        return _selector(self.metric.name, self.where)

    def eval(self, series: Store, t: float) -> Vector:
        """The newest samples of the last five minutes."""
        at = milliseconds(t)
        found = series.select(self.metric.name, lambda labels: _all_hold(self.where, labels))
        values = ((labels, ring.last(at)) for labels, ring in found)
        return {labels: value for labels, value in values if value is not None}


@dataclass(frozen=True)
class _OverWindow(Expression):
    """A function of a counter's samples in a window.

    Attributes:
        window_s: Whole seconds; at least four scrapes, or it has gaps.
        offset_s: How long ago the window ended, whole seconds.
    """

    counter: Counter | Part
    window_s: int = MINUTE_S
    where: tuple[Where, ...] = ()
    offset_s: int = 0
    word: ClassVar[str]

    def __post_init__(self) -> None:
        _check(self.counter, (condition.label for condition in self.where))

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the counter."""
        return self.counter.labels

    @property
    def names(self) -> frozenset[str]:
        """The counter's."""
        return frozenset({self.counter.name})

    def promql(self) -> str:
        """The function over a range selector."""
        offset = f" offset {_duration(self.offset_s)}" if self.offset_s else ""
        return f"{self.word}({_range(self.counter.name, self.where, self.window_s)}{offset})"

    def eval(self, series: Store, t: float) -> Vector:
        """Of the series with at least two samples in the window."""
        at = t - self.offset_s
        return _rates(series, self.counter.name, self.where, self.window_s, at)


@dataclass(frozen=True)
class Rate(_OverWindow):
    """`rate(counter{...}[window])`: increase per second, counter resets added."""

    word = "rate"


@dataclass(frozen=True)
class Increase(_OverWindow):
    """`increase(counter{...}[window])`: by how much it grew, counter resets added."""

    word = "increase"

    def eval(self, series: Store, t: float) -> Vector:
        """The rates over the whole window."""
        return {labels: rate * self.window_s for labels, rate in super().eval(series, t).items()}


@dataclass(frozen=True)
class _Changed(Expression):
    """Another value for each series of an expression."""

    inner: Expression

    @property
    def labels(self) -> tuple[str, ...]:
        """Unchanged."""
        return self.inner.labels

    @property
    def names(self) -> frozenset[str]:
        """Unchanged."""
        return self.inner.names


@dataclass(frozen=True)
class _Aggregation(Expression):
    inner: Expression
    by: tuple[str, ...] = ()
    word: ClassVar[str]

    def __post_init__(self) -> None:
        unknown = set(self.by) - {*self.inner.labels, *TARGET_LABELS}
        if unknown:
            raise ValueError(
                f"cannot group by {sorted(unknown)}: the labels are {self.inner.labels}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """What it groups by."""
        return self.by

    @property
    def names(self) -> frozenset[str]:
        """Those of what it aggregates."""
        return self.inner.names

    def promql(self) -> str:
        """`word by (labels) (inner)`."""
        return _grouped(self.word, self.by, self.inner.promql())

    def eval(self, series: Store, t: float) -> Vector:
        """One value for each group."""
        groups = _groups(self.inner.eval(series, t), self.by)
        return {key: self.combine(values) for key, values in groups.items()}

    @staticmethod
    @abstractmethod
    def combine(values: list[float]) -> float:
        """The value of a group of at least one."""


@dataclass(frozen=True)
class Sum(_Aggregation):
    """`sum by (...) (inner)`."""

    word = "sum"

    @staticmethod
    def combine(values: list[float]) -> float:
        """Add."""
        return _total(values)


@dataclass(frozen=True)
class Max(_Aggregation):
    """`max by (...) (inner)`."""

    word = "max"

    @staticmethod
    def combine(values: list[float]) -> float:
        """The greatest that is a number."""
        return max((value for value in values if not math.isnan(value)), default=math.nan)


@dataclass(frozen=True)
class Average(_Aggregation):
    """`avg by (...) (inner)`."""

    word = "avg"

    @staticmethod
    def combine(values: list[float]) -> float:
        """The mean."""
        return _total(values) / len(values)


@dataclass(frozen=True)
class Count(_Aggregation):
    """`count by (...) (inner)`: how many series there are."""

    word = "count"

    @staticmethod
    def combine(values: list[float]) -> float:
        """Their number."""
        return len(values)


@dataclass(frozen=True)
class Age(_Changed):
    """`time() - inner`: seconds since a moment."""

    def promql(self) -> str:
        """A difference."""
        return f"time() - {self.inner.promql()}"

    def eval(self, series: Store, t: float) -> Vector:
        """Seconds from each value, Unix time, to `t`."""
        return {labels: t - value for labels, value in self.inner.eval(series, t).items()}


@dataclass(frozen=True)
class Quantile(Expression):
    """`histogram_quantile(q, sum by (..., le) (rate(histogram_bucket{...}[window])))`."""

    q: float
    histogram: Histogram
    by: tuple[str, ...] = ()
    window_s: int = MINUTE_S
    where: tuple[Where, ...] = ()

    def __post_init__(self) -> None:
        _check(self.histogram, (*self.by, *(condition.label for condition in self.where)))
        if not 0 < self.q < 1:
            raise ValueError(f"a quantile lies between 0 and 1, not at {self.q}")

    @property
    def labels(self) -> tuple[str, ...]:
        """What it groups by."""
        return self.by

    @property
    def names(self) -> frozenset[str]:
        """The buckets'."""
        return frozenset({f"{self.histogram.name}_bucket"})

    def promql(self) -> str:
        """The only right form: sums of bucket rates, then the quantile."""
        (name,) = self.names
        rates = f"rate({_range(name, self.where, self.window_s)})"
        return f"histogram_quantile({self.q:g}, {_grouped('sum', (*self.by, 'le'), rates)})"

    def eval(self, series: Store, t: float) -> Vector:
        """NaN where nothing was observed in the window."""
        (name,) = self.names
        rates = _rates(series, name, self.where, self.window_s, t)
        groups: dict[Labels, dict[float, float]] = {}
        for key, values in _groups(rates, (*self.by, "le")).items():
            bound = _bound(key)
            if bound is not None:
                rest = tuple(pair for pair in key if pair[0] != "le")
                groups.setdefault(rest, {})[bound] = _total(values)
        return {key: bucket_quantile(self.q, buckets) for key, buckets in groups.items()}


@dataclass(frozen=True)
class Ratio(Expression):
    """`a / b` of series with equal labels."""

    dividend: Expression
    divisor: Expression
    is_division = True

    def __post_init__(self) -> None:
        if set(self.dividend.labels) != set(self.divisor.labels):
            raise ValueError(
                f"cannot divide series of {self.dividend.labels} by those of {self.divisor.labels}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of both."""
        return self.dividend.labels

    @property
    def names(self) -> frozenset[str]:
        """Those of both."""
        return self.dividend.names | self.divisor.names

    def promql(self) -> str:
        """A division, which binds to the left."""
        return f"{self.dividend.promql()} / {_as_divisor(self.divisor)}"

    def eval(self, series: Store, t: float) -> Vector:
        """Values of the series that both have."""
        divisor = self.divisor.eval(series, t)
        dividend = self.dividend.eval(series, t)
        return {
            key: divide(value, divisor[key]) for key, value in dividend.items() if key in divisor
        }


@dataclass(frozen=True)
class Scale(_Changed):
    """`inner / divisor / divisor ...`: another unit."""

    divisors: tuple[float, ...]
    is_division = True

    def promql(self) -> str:
        """Divisions one after the other."""
        return " / ".join([self.inner.promql(), *(f"{divisor:g}" for divisor in self.divisors)])

    def eval(self, series: Store, t: float) -> Vector:
        """Every value divided."""
        scaled = self.inner.eval(series, t)
        for divisor in self.divisors:
            scaled = {key: value / divisor for key, value in scaled.items()}
        return scaled


@dataclass(frozen=True)
class Times(_Changed):
    """`inner * factor`."""

    factor: float
    is_division = True

    def promql(self) -> str:
        """A product, which binds as a division does."""
        return f"{self.inner.promql()} * {self.factor:g}"

    def eval(self, series: Store, t: float) -> Vector:
        """Every value multiplied."""
        return {key: value * self.factor for key, value in self.inner.eval(series, t).items()}


@dataclass(frozen=True)
class Inverse(_Changed):
    """`1 / inner`."""

    is_division = True

    def promql(self) -> str:
        """A division of one."""
        return f"1 / {_as_divisor(self.inner)}"

    def eval(self, series: Store, t: float) -> Vector:
        """Infinite where the value is 0."""
        return {key: divide(1, value) for key, value in self.inner.eval(series, t).items()}


def _as_divisor(expression: Expression) -> str:
    query = expression.promql()
    return f"({query})" if expression.is_division else query


def _total(values: list[float]) -> float:
    """Plain additions, as Prometheus 2.x does them; sum() of Python 3.12 compensates."""
    return reduce(operator.add, values)


def divide(a: float, b: float) -> float:
    """Divide as IEEE 754 and PromQL do: x / 0 is infinite, 0 / 0 is NaN."""
    if b:
        return a / b
    if a == 0 or math.isnan(a) or math.isnan(b):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1, b)


def bucket_quantile(q: float, buckets: Mapping[float, float]) -> float:
    """The quantile of cumulative buckets (upper bound -> count), linear inside a bucket.

    NaN when nothing was observed or the bucket +Inf is missing; the highest finite bound when the
    quantile lies beyond it.
    """
    bounds, counts = _monotonic(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf or not counts[-1]:
        return math.nan
    rank = q * counts[-1]
    i = next(i for i, count in enumerate(counts) if count >= rank)
    if i == len(bounds) - 1:
        return bounds[-2]
    if i == 0 and bounds[0] <= 0:
        return bounds[0]
    low, below = (bounds[i - 1], counts[i - 1]) if i else (0.0, 0.0)
    return low + (bounds[i] - low) * divide(rank - below, counts[i] - below)


def _monotonic(buckets: Mapping[float, float]) -> tuple[list[float], list[float]]:
    """Bounds in order; a count that falls, as scrapes that are torn show it, is lifted."""
    bounds = sorted(buckets)
    counts: list[float] = []
    for bound in bounds:
        counts.append(max(buckets[bound], counts[-1] if counts else 0.0))
    return bounds, counts


def _bound(key: Labels) -> float | None:
    try:
        return float(dict(key)["le"])
    except (KeyError, ValueError):
        return None


def _groups(vector: Vector, by: tuple[str, ...]) -> dict[Labels, list[float]]:
    groups: dict[Labels, list[float]] = {}
    for labels, value in vector.items():
        key = tuple(pair for pair in labels if pair[0] in by)
        groups.setdefault(key, []).append(value)
    return groups


def _rates(series: Store, name: str, where: tuple[Where, ...], window_s: int, t: float) -> Vector:
    at, width = milliseconds(t), window_s * 1000
    found = series.select(name, lambda labels: _all_hold(where, labels))
    rates = ((labels, ring.rate(at, width)) for labels, ring in found)
    return {labels: rate for labels, rate in rates if rate is not None}


def _all_hold(where: tuple[Where, ...], labels: Labels) -> bool:
    if not where:
        return True
    values = dict(labels)
    return all(condition.holds(values.get(condition.label, "")) for condition in where)


def _check(metric: Metric | Part, labels: Iterable[str]) -> None:
    for label in labels:
        if label not in metric.labels and label not in TARGET_LABELS:
            raise ValueError(f"{metric.name} has no label {label}: it has {metric.labels}")


def _selector(name: str, where: tuple[Where, ...]) -> str:
    return f"{name}{{{','.join(map(str, where))}}}" if where else name


def _range(name: str, where: tuple[Where, ...], window_s: int) -> str:
    return f"{_selector(name, where)}[{_duration(window_s)}]"


def _grouped(word: str, by: tuple[str, ...], inner: str) -> str:
    return f"{word} by ({', '.join(by)}) ({inner})" if by else f"{word}({inner})"


def _duration(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
