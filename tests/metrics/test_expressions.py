import math
import subprocess
import sys
from pathlib import Path

import pytest

from ollamon.metrics import catalog
from ollamon.metrics.conditions import Both, Compare, Either
from ollamon.metrics.expressions import (
    Age,
    Average,
    Comparison,
    Count,
    Expression,
    Increase,
    Inverse,
    Max,
    Part,
    Quantile,
    Rate,
    Ratio,
    Scale,
    Sum,
    Times,
    Value,
    Where,
    bucket_quantile,
    divide,
)
from ollamon.metrics.rewriting import narrowed, widened
from ollamon.metrics.series import Sample, SeriesStore

ACTIVE = catalog.ACTIVE_REQUESTS
TTFT = catalog.TIME_TO_FIRST_TOKEN
TOKENS = catalog.GENERATED_TOKENS
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("expression", "promql"),
    [
        (Value(ACTIVE), "ollama_proxy_active_requests"),
        (
            Value(ACTIVE, (Where("model", Comparison.IS, 'a"\\\n'),)),
            'ollama_proxy_active_requests{model="a\\"\\\\\\n"}',
        ),
        (Rate(TOKENS, 90), "rate(ollama_proxy_generated_tokens_total[90s])"),
        (Rate(Part(TTFT, "sum"), 300), "rate(ollama_proxy_time_to_first_token_seconds_sum[5m])"),
        (Sum(Value(ACTIVE), ("model",)), "sum by (model) (ollama_proxy_active_requests)"),
        (Max(Value(ACTIVE)), "max(ollama_proxy_active_requests)"),
        (
            Quantile(0.95, TTFT, ("model",)),
            "histogram_quantile(0.95, sum by (model, le) "
            "(rate(ollama_proxy_time_to_first_token_seconds_bucket[1m])))",
        ),
        (
            Ratio(Value(ACTIVE), Ratio(Value(ACTIVE), Value(ACTIVE))),
            "ollama_proxy_active_requests / "
            "(ollama_proxy_active_requests / ollama_proxy_active_requests)",
        ),
        (Scale(Value(ACTIVE), (1024, 0.5)), "ollama_proxy_active_requests / 1024 / 0.5"),
        (Times(Average(Value(ACTIVE)), 100), "avg(ollama_proxy_active_requests) * 100"),
        (
            Inverse(Times(Value(ACTIVE), 100)),
            "1 / (ollama_proxy_active_requests * 100)",
        ),
        (Increase(TOKENS, 3600), "increase(ollama_proxy_generated_tokens_total[1h])"),
        (
            Rate(TOKENS, 7 * 86400, offset_s=900),
            "rate(ollama_proxy_generated_tokens_total[7d] offset 15m)",
        ),
        (
            Average(Value(ACTIVE), ("instance", "model")),
            "avg by (instance, model) (ollama_proxy_active_requests)",
        ),
        (Count(Value(ACTIVE)), "count(ollama_proxy_active_requests)"),
        (Age(Value(ACTIVE)), "time() - ollama_proxy_active_requests"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_promql(expression, promql):
    assert expression.promql() == promql


@pytest.mark.parametrize(
    ("comparison", "value", "holds"),
    [
        (Comparison.IS, "ok", True),
        (Comparison.IS, "no", False),
        (Comparison.IS_NOT, "ok", False),
        (Comparison.IS_NOT, "", True),
        (Comparison.MATCHES, "ok", True),
        (Comparison.MATCHES, "okay", False),
        (Comparison.MATCHES_NOT, "okay", True),
        (Comparison.MATCHES_NOT, "ok", False),
    ],
)
def test_a_condition(comparison, value, holds):
    assert Where("outcome", comparison, "ok").holds(value) is holds


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sum(Value(ACTIVE), ("gpu",)), "cannot group by"),
        (lambda: Value(ACTIVE, (Where("gpu", Comparison.IS, "x"),)), "has no label gpu"),
        (lambda: Rate(TOKENS, where=(Where("gpu", Comparison.IS, "x"),)), "has no label gpu"),
        (lambda: Quantile(0.5, TTFT, ("gpu",)), "has no label gpu"),
        (lambda: Quantile(95, TTFT), "lies between 0 and 1"),
        (lambda: Ratio(Value(ACTIVE), Sum(Value(ACTIVE))), "cannot divide"),
    ],
    ids=["group", "value", "rate", "quantile", "percent", "ratio"],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_labels_and_names_are_known_without_samples():
    ratio = Ratio(Sum(Rate(Part(TTFT, "sum"))), Sum(Rate(Part(TTFT, "count"))))
    assert ratio.labels == ()
    assert ratio.names == {f"{TTFT.name}_sum", f"{TTFT.name}_count"}
    assert Quantile(0.5, TTFT, ("model",)).names == {f"{TTFT.name}_bucket"}
    assert Scale(Value(ACTIVE), (2,)).labels == ("model",)
    assert Scale(Rate(TOKENS), (2,)).names == {TOKENS.name}


def store(*samples: tuple[str, dict, float]) -> SeriesStore:
    made = SeriesStore()
    made.add(100, [Sample(*sample) for sample in samples])
    return made


def test_values_are_grouped():
    active = store((ACTIVE.name, {"model": "a"}, 1), (ACTIVE.name, {"model": "b"}, 2))
    assert Sum(Value(ACTIVE)).eval(active, 101) == {(): 3}
    assert Max(Value(ACTIVE)).eval(active, 101) == {(): 2}
    assert Sum(Value(ACTIVE), ("model",)).eval(active, 101) == Value(ACTIVE).eval(active, 101)
    only_b = Value(ACTIVE, (Where("model", Comparison.IS, "b"),))
    assert Scale(only_b, (2, 2)).eval(active, 101) == {(("model", "b"),): 0.5}


def test_a_mean_a_number_and_an_age():
    active = store((ACTIVE.name, {"model": "a"}, 1), (ACTIVE.name, {"model": "b"}, 2))
    assert Average(Value(ACTIVE)).eval(active, 101) == {(): 1.5}
    assert Count(Value(ACTIVE)).eval(active, 101) == {(): 2}
    assert Count(Value(ACTIVE), ("model",)).eval(active, 101)[("model", "a"),] == 1
    assert Age(Value(ACTIVE)).eval(active, 101) == {
        (("model", "a"),): 100,
        (("model", "b"),): 99,
    }


def test_an_offset_looks_back():
    series = SeriesStore()
    for t, count in ((100, 0), (160, 60), (220, 660)):
        series.add(t, [Sample(TOKENS.name, {"model": "a"}, count)])
    assert Increase(TOKENS).eval(series, 220) == {(("model", "a"),): 600}
    assert Increase(TOKENS, offset_s=60).eval(series, 220) == {(("model", "a"),): 60}


ONLY_A = Where("model", Comparison.IS, "a")
HERE = Where("instance", Comparison.IS, "box")


@pytest.mark.parametrize(
    "expression",
    [
        Value(ACTIVE),
        Rate(TOKENS, 90, offset_s=60),
        Increase(Part(TTFT, "sum")),
        Sum(Value(ACTIVE), ("model",)),
        Max(Value(ACTIVE)),
        Average(Value(ACTIVE)),
        Count(Value(ACTIVE)),
        Age(Value(ACTIVE)),
        Scale(Value(ACTIVE), (2,)),
        Ratio(Value(ACTIVE), Rate(TOKENS)),
        Quantile(0.5, TTFT, ("model",)),
    ],
    ids=lambda expression: expression.promql(),
)
def test_a_narrowed_expression_asks_every_metric_that_has_the_label(expression):
    text = narrowed(expression, (ONLY_A, HERE)).promql()
    assert text.count('{model="a",instance="box"}') == len(expression.names)
    assert text.replace('{model="a",instance="box"}', "") == expression.promql()


def test_windows_grow_and_never_shrink():
    ratio = Ratio(Sum(Rate(TOKENS, 300)), Sum(Increase(TOKENS, 7200)))
    text = widened(ratio, 3600).promql()
    assert (text.count("[1h]"), text.count("[2h]")) == (1, 1)
    assert widened(Quantile(0.5, TTFT), 3600) == Quantile(0.5, TTFT, window_s=3600)
    assert widened(Value(ACTIVE), 3600) == Value(ACTIVE)


def test_a_metric_without_the_label_is_left_as_it_is():
    swap = Value(catalog.HOST_SWAP_USED)
    assert narrowed(swap, (ONLY_A,)) == swap


def test_an_unknown_kind_of_expression_is_not_left_wide():
    class Other(Value):
        pass

    class Unknown(Expression):
        labels = names = promql = eval = None

    assert narrowed(Other(ACTIVE), (ONLY_A,)) == Other(ACTIVE, (ONLY_A,))
    with pytest.raises(TypeError, match="cannot narrow a Unknown"):
        narrowed(Unknown(), (ONLY_A,))


MANY = Compare(Value(ACTIVE), ">", 2)
ANY_GPU = Compare(Count(Value(catalog.GPU_INFO), ("instance",)), ">", 0)


@pytest.mark.parametrize(
    ("condition", "promql"),
    [
        (MANY, "ollama_proxy_active_requests > 2"),
        (Both(MANY, MANY), "ollama_proxy_active_requests > 2 and ollama_proxy_active_requests > 2"),
        (
            Both(MANY, ANY_GPU, on=("instance",)),
            "ollama_proxy_active_requests > 2 "
            "and on (instance) count by (instance) (ollama_gpu_info) > 0",
        ),
        (
            Both(MANY, Either(MANY, MANY)),
            "ollama_proxy_active_requests > 2 and "
            "(ollama_proxy_active_requests > 2 or ollama_proxy_active_requests > 2)",
        ),
    ],
    ids=["compare", "both", "on", "either"],
)
def test_a_condition_of_an_alert(condition, promql):
    assert condition.promql() == promql
    assert ACTIVE.name in condition.names
    assert condition.labels == ("model",)


def test_series_that_cannot_meet_are_not_joined():
    with pytest.raises(ValueError, match="cannot join"):
        Both(MANY, ANY_GPU)


def test_nothing_stays_nothing():
    for expression in (Value(ACTIVE), Sum(Value(ACTIVE)), Rate(TOKENS), Quantile(0.5, TTFT)):
        assert expression.eval(SeriesStore(), 100) == {}


def test_a_maximum_passes_over_what_is_not_a_number():
    assert Max.combine([NAN, 2, 1]) == 2
    assert math.isnan(Max.combine([NAN]))


def test_a_ratio_needs_both_sides():
    series = SeriesStore()
    for t, count in ((100, 0), (160, 60)):
        labels = {"model": "a"}
        samples = [Sample(TOKENS.name, labels, count), Sample(ACTIVE.name, labels, 2)]
        series.add(t, [*samples, Sample(TOKENS.name, {"model": "b"}, count)])
    assert Ratio(Rate(TOKENS), Value(ACTIVE)).eval(series, 160) == {(("model", "a"),): 0.5}


def test_buckets_without_a_bound_are_passed_over():
    series = SeriesStore()
    name = f"{TTFT.name}_bucket"
    for t, count in ((100, 0), (160, 60)):
        bounds = ("0.5", "+Inf", "high", "")
        series.add(t, [Sample(name, {"model": "a", "le": le}, count) for le in bounds])
    assert Quantile(0.5, TTFT, ("model",)).eval(series, 160) == {(("model", "a"),): 0.25}


@pytest.mark.parametrize(
    ("a", "b", "quotient"),
    [
        (6, 3, 2),
        (1, 0, INF),
        (-1, 0, -INF),
        (1, -0.0, -INF),
        (0, 0, NAN),
        (NAN, 0, NAN),
        (1, NAN, NAN),
    ],
)
def test_a_division_is_that_of_ieee_754(a, b, quotient):
    assert divide(a, b) == pytest.approx(quotient, nan_ok=True)


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        (0.5, {1: 2, 2: 4, INF: 4}, 1),
        (0.75, {1: 2, 2: 4, INF: 4}, 1.5),
        (0.95, {1: 2, 2: 2, INF: 4}, 2),
        (0.5, {1: 0, INF: 0}, NAN),
        (0.5, {1: 2, 2: 4}, NAN),
        (0.5, {INF: 4}, NAN),
        (0.5, {}, NAN),
        (0.5, {-1: 4, 1: 4, INF: 4}, -1),
        (0.75, {1: 3, 2: 2, 3: 4, INF: 4}, 1),
        (0.5, {2: 4, INF: 4, 1: 2}, 1),
    ],
    ids=[
        "on a bound",
        "inside a bucket",
        "beyond the last bound",
        "nothing observed",
        "no last bucket",
        "only the last bucket",
        "no buckets",
        "below zero",
        "a torn scrape",
        "in any order",
    ],
)
def test_a_quantile(q, buckets, expected):
    assert bucket_quantile(q, buckets) == pytest.approx(expected, nan_ok=True)


WRONG = """
from ollamon.metrics import catalog
from ollamon.metrics.expressions import Quantile, Rate
Quantile(0.95, catalog.ACTIVE_REQUESTS)
Rate(catalog.ACTIVE_REQUESTS)
Rate(catalog.TIME_TO_FIRST_TOKEN)
Quantile(0.95, catalog.TIME_TO_FIRST_TOKEN)
Rate(catalog.GENERATED_TOKENS)
"""


def test_the_quantile_of_a_gauge_is_a_type_error(tmp_path):
    snippet = tmp_path / "snippet.py"
    snippet.write_text(WRONG)
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary"),
            *("--config-file=", f"--cache-dir={tmp_path / 'cache'}", "--follow-imports=silent"),
            str(snippet),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(":")[1] for line in checked.stdout.splitlines() if "arg-type" in line]
    assert lines == ["4", "5", "6"], checked.stdout + checked.stderr
