"""When an alert fires: comparisons over expressions, as PromQL, without I/O."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ollamon.metrics.expressions import Expression


@dataclass(frozen=True)
class Condition(ABC):
    """Something that holds for some series at a time."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """What tells the series apart for which it holds."""

    @property
    @abstractmethod
    def names(self) -> frozenset[str]:
        """The samples that it reads, by their names in an exposition."""

    @abstractmethod
    def changed(self, change: Callable[[Expression], Expression]) -> "Condition":
        """Return it over other expressions."""

    @abstractmethod
    def promql(self) -> str:
        """The condition for a Prometheus; the values are those of its first comparison."""


@dataclass(frozen=True)
class Compare(Condition):
    """`expression > number`."""

    left: Expression
    word: Literal["<", "<=", "==", ">=", ">"]
    right: float

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the expression."""
        return self.left.labels

    @property
    def names(self) -> frozenset[str]:
        """Those of the expression."""
        return self.left.names

    def changed(self, change: Callable[[Expression], Expression]) -> Condition:
        """With what is compared changed."""
        return replace(self, left=change(self.left))

    def promql(self) -> str:
        """A comparison, which binds less than any arithmetic."""
        return f"{self.left.promql()} {self.word} {self.right:.12g}"


@dataclass(frozen=True)
class _Pair(Condition):
    first: Condition
    second: Condition

    @property
    def names(self) -> frozenset[str]:
        """Those of both."""
        return self.first.names | self.second.names

    def changed(self, change: Callable[[Expression], Expression]) -> Condition:
        """With both changed."""
        return replace(self, first=self.first.changed(change), second=self.second.changed(change))


@dataclass(frozen=True)
class Both(_Pair):
    """`a and b`, for the series of `a`.

    Attributes:
        on: Labels that a series of `b` must share with one of `a`; None: all of them.
    """

    on: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.on is None and set(self.first.labels) != set(self.second.labels):
            raise ValueError(
                f"cannot join series of {self.first.labels} with those of {self.second.labels}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the first."""
        return self.first.labels

    def promql(self) -> str:
        """`and` binds more than `or`, so a side that is an `or` stands in parentheses."""
        word = "and" if self.on is None else f"and on ({', '.join(self.on)})"
        return f"{_inside(self.first)} {word} {_inside(self.second)}"


@dataclass(frozen=True)
class Either(_Pair):
    """`a or b`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys((*self.first.labels, *self.second.labels)))

    def promql(self) -> str:
        """The series of the first, and those of the second that the first lacks."""
        return f"{self.first.promql()} or {self.second.promql()}"


def _inside(condition: Condition) -> str:
    return f"({condition.promql()})" if isinstance(condition, Either) else condition.promql()
