"""An expression over fewer series: conditions put on every metric that it reads, without I/O."""

from collections.abc import Collection
from dataclasses import replace

from ollamon.metrics.catalog import Metric
from ollamon.metrics.expressions import (
    TARGET_LABELS,
    Age,
    Average,
    Count,
    Expression,
    Increase,
    Max,
    Part,
    Quantile,
    Rate,
    Ratio,
    Scale,
    Sum,
    Value,
    Where,
)


def narrowed(expression: Expression, conditions: Collection[Where]) -> Expression:
    """Return it with the conditions on each metric that has their label.

    Raises:
        TypeError: An expression of a kind that is not known here.
    """
    match expression:
        case Value():
            return replace(
                expression, where=_added(expression.where, expression.metric, conditions)
            )
        case Rate() | Increase():
            where = _added(expression.where, expression.counter, conditions)
            return replace(expression, where=where)
        case Quantile():
            where = _added(expression.where, expression.histogram, conditions)
            return replace(expression, where=where)
        case Sum() | Max() | Average() | Count() | Scale() | Age():
            return replace(expression, inner=narrowed(expression.inner, conditions))
        case Ratio():
            return Ratio(
                narrowed(expression.dividend, conditions), narrowed(expression.divisor, conditions)
            )
        case _:
            raise TypeError(f"cannot narrow a {type(expression).__name__}")


def _added(
    where: tuple[Where, ...], metric: Metric | Part, conditions: Collection[Where]
) -> tuple[Where, ...]:
    known = {*metric.labels, *TARGET_LABELS}
    return (*where, *(condition for condition in conditions if condition.label in known))
