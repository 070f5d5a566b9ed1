"""Our evaluation against a real Prometheus, point by point.

Random series with counter resets, missed scrapes, gaps and jitter go into a SeriesStore and, as
OpenMetrics, into the blocks of a Prometheus. Every panel and random expressions are evaluated by
both at times that are on and off the scrapes' grid. OLLAMON_FULL=1 runs more seeds.
"""

import json
import math
import os
import random
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ollamon.compat import Compat
from ollamon.metrics import catalog
from ollamon.metrics.catalog import CATALOG, Counter, Gauge, Histogram, Metric
from ollamon.metrics.expressions import (
    Age,
    Average,
    Comparison,
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
from ollamon.metrics.panels import Limits, names_of
from ollamon.metrics.series import Sample, SeriesStore
from ollamon.metrics.served import panels_of

LIMITS = Limits(2, 10)

SEEDS = range(1, 13) if os.environ.get("OLLAMON_FULL") else (1,)
SCRAPES = 400
# Whole 5 s and aligned, so that window edges fall on samples, where the two kinds of range differ.
START = int(time.time()) - 3 * 3600
START -= START % 60
VALUES = {
    "model": ["llama3.2:3b", "qwen3:8b", "unknown"],
    "method": ["POST"],
    "endpoint": ["/api/chat", "/v1/chat/completions"],
    "status": ["200", "502"],
    "outcome": ["ok", "client_error", "truncated"],
    "gpu": ["apple0", "nvidia1"],
    "component": ["cpu", "ane"],
    "source": ["psi"],
    "role": ["server", "runner"],
}
SHOWN = tuple(panel for compat in Compat for panel in panels_of(compat, LIMITS))
MEASURED = tuple(
    metric
    for metric in CATALOG
    if {metric.name, f"{metric.name}_bucket", f"{metric.name}_sum"} & names_of(SHOWN)
)

Rows = dict[Metric, dict[tuple[str, frozenset[tuple[str, str]]], list[tuple[float, float]]]]


class Machine:
    """One series set of a metric: it counts, stalls and starts again."""

    def __init__(self, metric: Metric, labels: dict[str, str], dice: random.Random) -> None:
        self.metric, self.labels, self.dice = metric, labels, dice
        self.reset()

    def reset(self) -> None:
        self.value = 0.0
        self.count = self.total = 0.0
        bounds = self.metric.buckets if isinstance(self.metric, Histogram) else ()
        self.buckets = dict.fromkeys((*bounds, math.inf), 0)

    def step(self) -> list[Sample]:
        name, dice = self.metric.name, self.dice
        match self.metric:
            case Counter():
                self.value += dice.choice([0, 0, 1, 7.5, dice.randint(0, 300)])
                return [Sample(name, self.labels, self.value)]
            case Histogram():
                for _ in range(dice.choice([0, 0, 1, 3])):
                    self.observe(dice.expovariate(0.7) * dice.choice([0.01, 1, 900]))
                return self.histogram_samples()
            case _:
                return [Sample(name, self.labels, dice.choice([0.0, 3.0, dice.uniform(0, 1e10)]))]

    def observe(self, value: float) -> None:
        self.count += 1
        self.total += value
        for bound in self.buckets:
            self.buckets[bound] += value <= bound

    def histogram_samples(self) -> list[Sample]:
        name = self.metric.name
        samples = [
            Sample(
                f"{name}_bucket",
                {**self.labels, "le": "+Inf" if bound == math.inf else str(float(bound))},
                count,
            )
            for bound, count in self.buckets.items()
        ]
        samples.append(Sample(f"{name}_sum", self.labels, self.total))
        samples.append(Sample(f"{name}_count", self.labels, self.count))
        return samples


def machines(dice: random.Random) -> list[Machine]:
    made = []
    for metric in MEASURED:
        labelsets: list[dict[str, str]] = [{}]
        for label in metric.labels:
            labelsets = [{**old, label: new} for old in labelsets for new in VALUES[label]]
        made += [Machine(metric, labels, dice) for labels in labelsets]
    return made


def generate(seed: int) -> tuple[dict[str, SeriesStore], Rows]:
    """The same samples twice: in a store, and as rows for OpenMetrics."""
    dice = random.Random(seed)
    store, rows = SeriesStore(max_series=10_000), {}
    every = machines(dice)
    # Longer than the look-back of five minutes, to the very second.
    gap = range(150, 150 + 62)
    for i in range(SCRAPES):
        at = round(START + i * 5 + dice.choice([0, 0, 0, 0, 0.013, 0.2]), 3)
        if i in gap:
            continue
        for machine in every:
            if dice.random() < 0.01:
                machine.reset()
            if dice.random() < 0.03:
                continue
            for sample in machine.step():
                key = (sample.name, frozenset(sample.labels.items()))
                rows.setdefault(machine.metric, {}).setdefault(key, []).append((at, sample.value))
    fill(store, rows)
    return store, rows


def fill(store: SeriesStore, rows: Rows) -> None:
    """A sample that a scrape lacks would end its series, but an imported block knows no ends."""
    for family in rows.values():
        for (name, labels), samples in family.items():
            for at, value in samples:
                store._put(round(at * 1000), Sample(name, dict(labels), value))
    store._sort()


def openmetrics(rows: Rows) -> Iterator[str]:
    for metric, family in rows.items():
        kind = type(metric).__name__.lower()
        yield f"# TYPE {metric.name.removesuffix('_total')} {kind}\n"
        for (name, labels), samples in family.items():
            text = ",".join(f'{label}="{value}"' for label, value in sorted(labels))
            for at, value in samples:
                yield f"{name}{{{text}}} {value!r} {at:.3f}\n"
    yield "# EOF\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class RealPrometheus:
    """A child that serves the blocks of one folder."""

    def __init__(self, folder: Path, rows: Rows) -> None:
        samples = folder / "samples.om"
        with samples.open("w") as file:
            file.writelines(openmetrics(rows))
        (folder / "prometheus.yml").write_text("scrape_configs: []\n")
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", samples, folder / "blocks"],
            check=True,
            capture_output=True,
        )
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'blocks'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ]
        )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("prometheus did not become ready")

    def range(self, query: str, start: float, end: float, step: float) -> dict[object, float]:
        form = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
        with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{form}", timeout=60) as answer:
            result = json.load(answer)["data"]["result"]
        return {
            (labels_of(series["metric"]), round(float(t), 3)): float(value)
            for series in result
            for t, value in series["values"]
        }

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def labels_of(metric: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pair for pair in metric.items() if pair[0] != "__name__"))


def ours(
    store: SeriesStore, expression: Expression, start: float, end: float, step: float
) -> dict[object, float]:
    count = math.floor((end - start) / step + 1e-9) + 1
    times = [round(start + i * step, 3) for i in range(count)]
    return {(key, t): value for t in times for key, value in expression.eval(store, t).items()}


def same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return False
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= 1e-9 * max(1, abs(a))


def some_where(dice: random.Random, metric: Metric | Part) -> tuple[Where, ...]:
    labels = [label for label in metric.labels if dice.random() < 0.4]
    return tuple(
        Where(label, dice.choice(list(Comparison)), dice.choice(VALUES[label])) for label in labels
    )


def some_leaf(dice: random.Random) -> Expression:
    gauges = [metric for metric in MEASURED if isinstance(metric, Gauge)]
    counters = [metric for metric in MEASURED if isinstance(metric, Counter)]
    parts = [
        Part(metric, kind)
        for metric in MEASURED
        if isinstance(metric, Histogram)
        for kind in ("sum", "count")
    ]
    window = dice.choice([20, 60, 90, 300])
    if dice.random() < 0.4:
        metric = dice.choice([*gauges, *counters])
        return Value(metric, some_where(dice, metric))
    counter = dice.choice([*counters, *parts])
    kind = dice.choice([Rate, Rate, Increase])
    return kind(counter, window, some_where(dice, counter), offset_s=dice.choice([0, 0, 75]))


def some_expression(dice: random.Random) -> Expression:
    inner = some_leaf(dice)
    match dice.randrange(7):
        case 0:
            return inner
        case 1:
            return dice.choice([Sum, Average, Count])(inner, inner.labels[:1])
        case 2:
            return Max(inner, inner.labels[-1:])
        case 6:
            return Age(inner)
        case 3:
            return Scale(Sum(inner), (1024, 0.5))
        case 4:
            other = Ratio(Sum(inner, inner.labels[:1]), Max(inner, inner.labels[:1]))
            return Ratio(Max(inner, inner.labels[:1]), other)
        case _:
            histogram = dice.choice([m for m in MEASURED if isinstance(m, Histogram)])
            by = tuple(label for label in histogram.labels if dice.random() < 0.5)
            q = dice.choice([0.01, 0.5, 0.9, 0.95, 0.999])
            return Quantile(q, histogram, by, dice.choice([60, 300]), some_where(dice, histogram))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.timeout(600)
def test_every_expression_equals_prometheus(seed, tmp_path):
    store, rows = generate(seed)
    dice = random.Random(-seed)
    expressions = list(dict.fromkeys(panel.expression for panel in SHOWN))
    expressions += [some_expression(dice) for _ in range(40)]
    # Off the grid, on it, and past the gap to the second.
    spans = [(START + 100, START + 1900, 7), (START + 745, START + 1065, 5)]
    prometheus = RealPrometheus(tmp_path, rows)
    wrong, points = [], 0
    try:
        prometheus.wait_ready()
        for expression in expressions:
            for span in spans:
                mine = ours(store, expression, *span)
                theirs = prometheus.range(expression.promql(), *span)
                points += len(theirs)
                wrong += [
                    (expression.promql(), point, theirs.get(point), mine.get(point))
                    for point in mine.keys() | theirs.keys()
                    if not same(theirs.get(point), mine.get(point))
                ]
    finally:
        prometheus.close()
    assert wrong[:5] == []
    assert points > 10_000


def test_the_names_that_panels_read_are_all_generated():
    names = {sample.name for machine in machines(random.Random(0)) for sample in machine.step()}
    assert names_of(SHOWN) <= names
    assert catalog.TIME_TO_FIRST_TOKEN in MEASURED
