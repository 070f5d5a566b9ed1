"""Panels that read no family which `metrics.compat` hides, without I/O.

How a seed's family follows from its twin is declared in the catalog; every query here is derived
from that.
"""

from dataclasses import replace

from ollamon.compat import Compat
from ollamon.metrics.catalog import TWINS, Counter, Fold, Gauge, Histogram, Metric, hidden
from ollamon.metrics.expressions import (
    Average,
    Comparison,
    Expression,
    Inverse,
    Quantile,
    Rate,
    Sum,
    Times,
    Value,
    Where,
)
from ollamon.metrics.panels import PANELS, Limits, Panel
from ollamon.metrics.rewriting import rewritten

_FOLDS = {Fold.SUM: Sum, Fold.MEAN: Average}


def panels_of(compat: Compat, limits: Limits) -> tuple[Panel, ...]:
    """Return every panel, reading families that are served, with the limits that were chosen."""
    return tuple(
        replace(panel, expression=served(panel.expression, compat), thresholds=limits.of(panel))
        for panel in PANELS
    )


def served(expression: Expression, compat: Compat) -> Expression:
    """Return an expression with the same value that reads families which are served."""
    unseen = hidden(compat)

    def read(part: Expression) -> Expression:
        match part:
            case Value(metric, ()) if metric in unseen:
                return _from_twin(TWINS[metric])
            case Quantile(q, histogram) if histogram in unseen:
                # The p-th quantile of 1 / x is 1 / the (1 - p)-th quantile of x.
                other = TWINS.get(histogram) or histogram.twin_of
                assert isinstance(other, Histogram)  # noqa: S101  the catalog says so
                return Inverse(replace(part, q=round(1 - q, 9), histogram=other))
            case _:
                return part

    return rewritten(expression, read)


def _from_twin(twin: Metric) -> Expression:
    """Return the value of a seed's family, from its twin."""
    where = (Where(twin.part[0], Comparison.IS, twin.part[1]),) if twin.part else ()
    assert isinstance(twin, Gauge | Counter)  # noqa: S101  the catalog says so
    found = Rate(twin, where=where) if isinstance(twin, Counter) else Value(twin, where)
    folded = _FOLDS[twin.fold](found) if twin.labels else found
    return folded if twin.scale == 1 else Times(folded, twin.scale)
