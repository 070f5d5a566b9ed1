"""An expression over fewer series: conditions put on every metric that it reads, without I/O."""

from collections.abc import Collection
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


def narrowed(expression: Expression, conditions: Collection[Where]) -> Expression:
    """Return it with the conditions on each metric that has their label.

    Raises:
        TypeError: An expression that reads a metric in a way that is not known here.
    """
    match expression:
        case Value(metric=metric) | Quantile(histogram=metric):
            return replace(expression, where=_added(expression.where, metric, conditions))
        case Rate() | Increase():
            where = _added(expression.where, expression.counter, conditions)
            return replace(expression, where=where)
        case _:
            return _narrowed_inside(expression, conditions)


def _narrowed_inside(expression: Expression, conditions: Collection[Where]) -> Expression:
    inner = {
        field.name: narrowed(value, conditions)
        for field in fields(expression)
        if isinstance(value := getattr(expression, field.name), Expression)
    }
    if not inner:
        raise TypeError(f"cannot narrow a {type(expression).__name__}")
    return replace(expression, **inner)


def _added(
    where: tuple[Where, ...], metric: Metric | Part, conditions: Collection[Where]
) -> tuple[Where, ...]:
    known = {*metric.labels, *TARGET_LABELS}
    return (*where, *(condition for condition in conditions if condition.label in known))
