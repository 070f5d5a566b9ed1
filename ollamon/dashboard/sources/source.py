"""What a source of the dashboard is, without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ollamon.metrics.expressions import Vector
from ollamon.metrics.series import Labels

MAX_POINTS = 720


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
        """The finest whole number of intervals for a step."""
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


class Source(Protocol):
    """Where panels are evaluated."""

    def read(self, t: float) -> Reading:
        """Evaluate every panel at `t`. Raises SourceError: it could not answer."""
        ...

    def history(self, span: Span) -> History:
        """Return every panel over a span. Raises SourceError: it could not answer."""
        ...
