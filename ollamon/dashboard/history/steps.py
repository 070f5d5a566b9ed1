"""Scrapes folded into steps: what each counter grew by, what each gauge was, without I/O.

A step holds changed series only. Since nobody could say of an absent one whether it stood still or
was gone, the end of a series is noted, and each full hour (a keyframe) names all that are there:
whoever reads a stretch begins at the keyframe before it. A step in which no scrape worked is
missing, and so is a gap.

Growth adds up, so that rates and quantiles of any longer step come from exact sums.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ollamon.metrics.catalog import CATALOG, Counter, Histogram
from ollamon.metrics.series import Labels, Sample, key_of

STEP_S = 15
KEYFRAME_S = 3600
# Growth over a longer silence would look like a burst in the step that ends it.
LONGEST_SILENCE_S = 300

COUNTERS = frozenset(
    name
    for metric in CATALOG
    for name in (
        (metric.name,)
        if isinstance(metric, Counter)
        else tuple(f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))
        if isinstance(metric, Histogram)
        else ()
    )
)
"""Samples that only grow."""


class Key(NamedTuple):
    """A series."""

    name: str
    labels: Labels


class Level(NamedTuple):
    """A gauge in a step: its last value, and the extremes."""

    last: float
    low: float
    high: float


@dataclass(slots=True)
class Step:
    """What happened in the seconds up to and including `t` (Unix time, a multiple of the step).

    Attributes:
        growth: Counter -> by how much it grew.
        levels: Gauge -> what it was.
        ended: Series that were gone at its end.
    """

    t: int
    growth: dict[Key, float] = field(default_factory=dict)
    levels: dict[Key, Level] = field(default_factory=dict)
    ended: set[Key] = field(default_factory=set)


class Accumulator:
    """Takes scrapes, gives steps."""

    def __init__(self, counters: Mapping[Key, float] | None = None, seen_at: float = 0.0) -> None:
        """Begin; with the counters as they were last seen, so that a restart loses no growth."""
        self._counters = dict(counters or {})
        self._seen_at = seen_at
        self._levels: dict[Key, float] = {}
        self._present: set[Key] = set()
        self._step: Step | None = None
        self._is_keyframe = False
        self._done: list[Step] = []

    @property
    def counters(self) -> tuple[dict[Key, float], float]:
        """What a later one begins with: the counters as seen last, and when."""
        return dict(self._counters), self._seen_at

    @property
    def pending(self) -> list[Step]:
        """The steps that were not taken away yet, with the one that has begun."""
        return [*self._done, *([self._step] if self._step else [])]

    def take(self, t: float, samples: Iterable[Sample]) -> None:
        """Take a scrape that worked. A clock that was set back begins anew."""
        if t < self._seen_at:
            self._forget()
        step = self._at(t)
        is_known = t - self._seen_at <= LONGEST_SILENCE_S
        seen: set[Key] = set()
        for sample in samples:
            if not math.isfinite(sample.value):
                continue
            key = Key(sample.name, key_of(sample.labels))
            seen.add(key)
            is_new = key not in self._present or self._is_keyframe
            if sample.name in COUNTERS:
                self._grow(step, key, sample.value, is_new=is_new, is_known=is_known)
            else:
                self._level(step, key, sample.value, is_new=is_new)
        self._end(step, seen)
        self._present, self._seen_at = seen, t

    def finished(self) -> list[Step]:
        """Return the steps that are over, each once."""
        done, self._done = self._done, []
        return done

    def finish(self) -> list[Step]:
        """Return those, and the one that has begun: nothing comes after."""
        if self._step is not None:
            self._done.append(self._step)
            self._step = None
        return self.finished()

    def _at(self, t: float) -> Step:
        end = math.ceil(t / STEP_S) * STEP_S
        if self._step is None or self._step.t != end:
            if self._step is not None:
                self._done.append(self._step)
            # The first one names all as well: nobody knows what was before.
            self._is_keyframe = self._step is None or end % KEYFRAME_S == 0
            self._step = Step(end)
        return self._step

    def _grow(self, step: Step, key: Key, value: float, *, is_new: bool, is_known: bool) -> None:
        before = self._counters.get(key) if is_known else None
        self._counters[key] = value
        growth = 0.0 if before is None else value - before if value >= before else value
        if growth or is_new or key in step.growth:
            step.growth[key] = step.growth.get(key, 0.0) + growth
        step.ended.discard(key)

    def _level(self, step: Step, key: Key, value: float, *, is_new: bool) -> None:
        before = self._levels.get(key)
        self._levels[key] = value
        known = step.levels.get(key)
        if known is not None:
            step.levels[key] = Level(value, min(known.low, value), max(known.high, value))
        elif is_new or value != before:
            # What it was when the step began belongs to the step too.
            rest = value if before is None or is_new else before
            step.levels[key] = Level(value, min(rest, value), max(rest, value))
        step.ended.discard(key)

    def _end(self, step: Step, seen: set[Key]) -> None:
        for key in self._present - seen:
            step.ended.add(key)
            self._levels.pop(key, None)
            self._counters.pop(key, None)

    def _forget(self) -> None:
        self._counters.clear()
        self._levels.clear()
        self._present.clear()
        self._step = None


def folded(steps: Sequence[Step], t: int) -> Step:
    """Return one step of several that follow each other: sums, last values, extremes."""
    whole = Step(t)
    for step in steps:
        for key, growth in step.growth.items():
            whole.growth[key] = whole.growth.get(key, 0.0) + growth
        for key, level in step.levels.items():
            known = whole.levels.get(key, level)
            whole.levels[key] = Level(
                level.last, min(known.low, level.low), max(known.high, level.high)
            )
        whole.ended -= step.growth.keys() | step.levels.keys()
        whole.ended |= step.ended
    return whole
