"""Expressions made of other expressions: over fewer series, over longer windows, without I/O."""

from collections.abc import Callable, Collection
from dataclasses import fields, replace

from ollamon.metrics.catalog import Metric
from ollamon.metrics.expressions import (
    TARGET_LABELS,
    Expression,
    Increase,
    Part,
    Quantile,
    Rate,
    Value,
    Where,
)


def rewritten(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Return it with every part changed; what `change` returns as it is, is looked into."""
    changed = change(expression)
    if changed is not expression:
        return changed
    inner = {name: rewritten(part, change) for name, part in parts_of(expression).items()}
    return replace(expression, **inner) if inner else expression


def parts_of(expression: Expression) -> dict[str, Expression]:
    """Return the expressions that it is made of, by the names of their fields."""
    return {
        field.name: value
        for field in fields(expression)
        if isinstance(value := getattr(expression, field.name), Expression)
    }


def narrowed(expression: Expression, conditions: Collection[Where]) -> Expression:
    """Return it with the conditions on each metric that has their label.

    Raises:
        TypeError: It reads a metric in a way that is not known here.
    """

    def narrow(part: Expression) -> Expression:
        match part:
            case Value(metric=metric) | Quantile(histogram=metric):
                return replace(part, where=_added(part.where, metric, conditions))
            case Rate() | Increase():
                return replace(part, where=_added(part.where, part.counter, conditions))
            case _ if parts_of(part):
                return part
            case _:
                raise TypeError(f"cannot narrow a {type(part).__name__}")

    return rewritten(expression, narrow)


def widened(expression: Expression, least_s: int) -> Expression:
    """Return it with windows of that many seconds at least, so that long steps miss nothing."""

    def widen(part: Expression) -> Expression:
        match part:
            case Rate() | Increase() | Quantile() if part.window_s < least_s:
                return replace(part, window_s=least_s)
            case _:
                return part

    return rewritten(expression, widen)


def _added(
    where: tuple[Where, ...], metric: Metric | Part, conditions: Collection[Where]
) -> tuple[Where, ...]:
    known = {*metric.labels, *TARGET_LABELS}
    return (*where, *(condition for condition in conditions if condition.label in known))
