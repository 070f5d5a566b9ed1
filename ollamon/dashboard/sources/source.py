"""What a source of the dashboard is, without I/O."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ollamon.metrics.expressions import Vector
from ollamon.metrics.series import Labels

RANGES_S = {
    "5m": 300,
    "15m": 900,
    "1h": 3600,
    "6h": 21_600,
    "24h": 86_400,
    "7d": 604_800,
    "30d": 2_592_000,
    "90d": 7_776_000,
}
"""Ranges that people choose, in seconds."""
MAX_POINTS = 720
SHORT_S = 3600.0
"""Ranges up to here have the step of the readings; longer ones a rounder step."""
_STEPS_S = (60, 300, 1800, 7200, 21_600)
_LONG_POINTS = 480


@dataclass(frozen=True, slots=True)
class Reading:
    """All panels at one time.

    Attributes:
        t: Unix seconds.
        panels: Panel id -> its series; an absent one is unknown.
    """

    t: float
    panels: Mapping[str, Vector] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """No panel has a series."""
        return not any(self.panels.values())


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time up to `end` (Unix seconds), in steps that make 720 points at most."""

    end: float
    seconds: float
    step_s: float

    @classmethod
    def of(cls, end: float, seconds: float, interval_s: float) -> "Span":
        """The finest whole number of intervals for a step; of a long stretch, a round step."""
        if seconds > SHORT_S:
            fits = (step for step in _STEPS_S if seconds / step <= _LONG_POINTS)
            return cls(end, seconds, next(fits, _STEPS_S[-1]))
        points = max(1, round(seconds / interval_s))
        return cls(end, seconds, interval_s * -(-points // MAX_POINTS))

    @property
    def points(self) -> int:
        """How many steps it holds."""
        return max(1, round(self.seconds / self.step_s))


@dataclass(frozen=True, slots=True)
class History:
    """All panels over a span.

    Attributes:
        times: Unix seconds, ascending.
        panels: Panel id -> labels -> one value per time, NaN where it is unknown.
    """

    times: Sequence[float]
    step_s: float
    panels: Mapping[str, Mapping[Labels, Sequence[float]]]


def joined(earlier: History, later: History) -> History:
    """Return two stretches as one; of a series that one of them lacks, that part is unknown."""
    ids = dict.fromkeys((*earlier.panels, *later.panels))
    panels = {}
    for id_ in ids:
        first, second = earlier.panels.get(id_, {}), later.panels.get(id_, {})
        panels[id_] = {
            labels: [
                *first.get(labels, [math.nan] * len(earlier.times)),
                *second.get(labels, [math.nan] * len(later.times)),
            ]
            for labels in dict.fromkeys((*first, *second))
        }
    return History([*earlier.times, *later.times], later.step_s, panels)


def until(history: History, t: float) -> History:
    """Return the part before a time."""
    count = bisect_left(history.times, t)
    return History(
        history.times[:count],
        history.step_s,
        {
            id_: {labels: column[:count] for labels, column in columns.items()}
            for id_, columns in history.panels.items()
        },
    )


class Source(Protocol):
    """Where panels are evaluated."""

    def read(self, t: float) -> Reading:
        """Evaluate every panel at `t`. Raises SourceError: it could not answer."""
        ...

    def history(self, span: Span) -> History:
        """Return every panel over a span. Raises SourceError: it could not answer."""
        ...
