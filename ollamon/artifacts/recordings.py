"""What a Prometheus works out ahead, so that pages over many machines stay quick, without I/O."""

from dataclasses import dataclass, replace

from ollamon.compat import Compat
from ollamon.metrics import catalog
from ollamon.metrics.catalog import Counter, Histogram
from ollamon.metrics.expressions import Expression, Quantile, Rate, Ratio, Sum, Value
from ollamon.metrics.served import served

WINDOW_S = 300
# A central engine holds the series of many machines: each keeps its own.
_BY_MODEL = ("instance", "model")


@dataclass(frozen=True, slots=True)
class Recording:
    """One series set that is recorded; `name` is level:metric:operation."""

    name: str
    expression: Expression


def _quantile(histogram: Histogram, q: float) -> Recording:
    expression = Quantile(q, histogram, _BY_MODEL, WINDOW_S)
    return Recording(f"model:{histogram.name}:p{round(q * 100)}_5m", expression)


def _rate(counter: Counter, level: str, *labels: str) -> Recording:
    name = f"{level}:{counter.name.removesuffix('_total')}:rate5m"
    return Recording(name, Sum(Rate(counter, WINDOW_S), ("instance", *labels)))


_ALL: tuple[Recording, ...] = (
    _quantile(catalog.TIME_TO_FIRST_TOKEN, 0.95),
    _quantile(catalog.TIME_TO_FIRST_TOKEN, 0.5),
    _quantile(catalog.TIME_PER_OUTPUT_TOKEN, 0.95),
    _quantile(catalog.REQUEST_DURATION, 0.95),
    _rate(catalog.GENERATED_TOKENS, "model", "model"),
    _rate(catalog.PROMPT_TOKENS, "model", "model"),
    Recording(
        f"model:{catalog.DECODE_TOKENS.name.removesuffix('_total')}:per_second_5m",
        Ratio(
            Sum(Rate(catalog.DECODE_TOKENS, WINDOW_S), _BY_MODEL),
            Sum(Rate(catalog.DECODE_SECONDS, WINDOW_S), _BY_MODEL),
        ),
    ),
    _rate(catalog.REQUEST_OUTCOMES, "outcome", "outcome"),
    Recording(
        f"instance:{catalog.ACTIVE_REQUESTS.name}:sum",
        Sum(Value(catalog.ACTIVE_REQUESTS), ("instance",)),
    ),
)


def recordings(compat: Compat) -> tuple[Recording, ...]:
    """Return every recording, reading families that are served."""
    return tuple(replace(each, expression=served(each.expression, compat)) for each in _ALL)
