"""What other exporters get wrong with histograms, labels and queries, and ours must not."""

import math
import re
from pathlib import Path

import pytest

from ollamon.metrics import catalog
from ollamon.metrics.catalog import CATALOG, Histogram
from ollamon.metrics.expressions import bucket_quantile

DOCS = Path(__file__).parents[2] / "docs"
# Each is a list that a person could write down; no label holds what a client made up.
LABELS = {
    *("method", "endpoint", "model", "status", "outcome", "reason", "state", "phase", "source"),
    *("cached", "operation", "component", "role", "gpu", "vendor", "name", "collector", "label"),
    *("version", "python", "family", "parameter_size", "quantization", "location"),
}


def quantile(histogram: Histogram, q: float, values: list[float]) -> float:
    """What a query would say of these observations."""
    bounds = (*histogram.buckets, math.inf)
    return bucket_quantile(q, {bound: sum(value <= bound for value in values) for bound in bounds})


@pytest.mark.parametrize("seconds", [10, 20, 40, 75, 110, 150])
def test_a_first_token_after_minutes_is_not_cut_off_at_ten_seconds(seconds):
    values = [seconds * (0.9 + 0.01 * i) for i in range(11)]
    found = quantile(catalog.TIME_TO_FIRST_TOKEN, 0.95, values)
    assert found == pytest.approx(max(values), rel=0.5)
    assert found > 9


@pytest.mark.parametrize("rate", [0.8, 1.5, 2.4, 3.3, 4.6, 6.2, 8.7, 9.9])
def test_a_slow_model_is_told_from_one_that_is_twice_as_slow(rate):
    """A first bound of 10 would show every rate below it as 5, its middle."""
    found = quantile(catalog.TOKENS_PER_SECOND, 0.5, [rate] * 100)
    assert rate / 2 < found < rate * 2
    half = quantile(catalog.TOKENS_PER_SECOND, 0.5, [rate / 2] * 100)
    assert half < found or rate < 2


def test_no_label_holds_what_a_client_made_up():
    used = {label for metric in CATALOG for label in metric.labels}
    assert used <= LABELS, "is the new label bounded? If so, name it above"


QUANTILE = re.compile(r"histogram_quantile\(([^,]*), (.{0,40})")


@pytest.mark.parametrize("name", ["alerts.yml", "recording.yml", "grafana.json"])
def test_a_quantile_is_taken_of_summed_buckets_alone(name):
    """Of rates that were not summed by `le`, it is one number for each combination of labels."""
    found = QUANTILE.findall((DOCS / name).read_text())
    assert found
    for _, inner in found:
        assert re.match(r"sum by \(([a-z]+, )*le\) \(rate\(", inner), inner
