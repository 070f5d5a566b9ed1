"""Months of the dashboard's own history, simulated at speed: bytes on disk, memory, query times.

Five models that work by day and rest by night; a scrape a minute, for all panels.
"""

import argparse
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from ollamon.compat import Compat
from ollamon.dashboard.history import tiers
from ollamon.dashboard.history.file import HistoryFile
from ollamon.dashboard.history.keeper import Keeper
from ollamon.dashboard.sources.prometheus import Prometheus
from ollamon.dashboard.sources.source import RANGES_S, Span
from ollamon.metrics.catalog import CATALOG, Counter, Histogram, Metric
from ollamon.metrics.panels import Limits, names_of
from ollamon.metrics.series import Sample
from ollamon.metrics.served import panels_of
from tests.system.stack import eventually, fetch, free_ports

DAY_S = 86_400
SCRAPE_S = 60
PANELS = panels_of(Compat.BOTH, Limits(2, 10))
VALUES = {
    "model": ["llama3.2:3b", "qwen3:8b", "gpt-oss:20b", "gemma3:12b", "unknown"],
    "method": ["POST"],
    "endpoint": ["/api/chat", "/v1/chat/completions"],
    "status": ["200", "502"],
    "outcome": ["ok", "client_abort", "truncated"],
}


class Made:
    """One series set of a metric."""

    def __init__(self, metric: Metric, labels: dict[str, str], dice: random.Random) -> None:
        self.metric, self.labels, self.dice = metric, labels, dice
        self.value = self.count = 0.0
        bounds = metric.buckets if isinstance(metric, Histogram) else ()
        self.buckets = dict.fromkeys((*bounds, math.inf), 0)

    def samples(self, busy: float) -> Iterator[Sample]:
        name, dice = self.metric.name, self.dice
        match self.metric:
            case Histogram():
                if dice.random() < busy:
                    self.observe(dice.expovariate(1) * dice.choice([0.02, 2]))
                for bound, count in self.buckets.items():
                    yield Sample(f"{name}_bucket", {**self.labels, "le": f"{bound:g}"}, count)
                yield Sample(f"{name}_sum", self.labels, self.value)
                yield Sample(f"{name}_count", self.labels, self.count)
            case Counter():
                self.value += dice.randint(1, 200) if dice.random() < busy else 0
                yield Sample(name, self.labels, self.value)
            case _:
                self.value = dice.uniform(0, 100) if dice.random() < 0.5 else self.value
                yield Sample(name, self.labels, self.value)

    def observe(self, value: float) -> None:
        self.value += value
        self.count += 1
        for bound in self.buckets:
            self.buckets[bound] += value <= bound


def machine() -> list[Made]:
    """All series that panels read."""
    dice, names = random.Random(1), names_of(PANELS)
    made = []
    for metric in CATALOG:
        parts = {metric.name, *(f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))}
        if not parts & names:
            continue
        labelsets: list[dict[str, str]] = [{}]
        for label in metric.labels:
            labelsets = [{**old, label: v} for old in labelsets for v in VALUES.get(label, ["x"])]
        made += [Made(metric, labels, dice) for labels in labelsets]
    return made


def line_of(sample: Sample, t: float) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}} {sample.value!r} {t:.3f}\n"


def from_prometheus(folder: Path, lines: dict[str, list[str]], end: float) -> float:
    """Milliseconds that a day takes from a Prometheus with the same samples; the second time."""
    text = folder / "samples.om"
    with text.open("w") as file:
        for family in lines.values():
            # Samples of one series stand together.
            file.writelines(sorted(family, key=lambda line: line.partition("}")[0]))
        file.write("# EOF\n")
    blocks = folder / "blocks"
    words = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(blocks)]
    subprocess.run(words, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    (port,) = free_ports(1)
    flags = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={blocks}")
    server = subprocess.Popen(
        ["prometheus", *flags, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    )
    try:
        eventually(lambda: fetch(f"http://127.0.0.1:{port}/-/ready"), "Prometheus is ready")
        source = Prometheus(f"http://127.0.0.1:{port}", PANELS)
        for _ in range(2):
            start = time.perf_counter()
            found = source.history(Span.of(end, DAY_S, 5))
            taken = (time.perf_counter() - start) * 1000
        assert sum(map(len, found.panels.values())) > 20
        return taken
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Simulate, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=14)
    days = parser.parse_args().days
    series, now = machine(), [time.time() - days * DAY_S]
    lines: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.sqlite3"
        file = HistoryFile(path, tiers.create, clock=lambda: now[0])
        keeper = Keeper(
            file, PANELS, max_bytes=200 * 1024**2, in_thread=lambda w: w(), clock=lambda: now[0]
        )
        print(f"Python {sys.version.split()[0]}\n\n| after | on disk | resident |\n|---|---|---|")
        for day in range(max(1, round(days))):
            for _ in range(DAY_S // SCRAPE_S):
                now[0] += SCRAPE_S
                busy = 0.3 if 8 < now[0] / 3600 % 24 < 22 else 0.02
                samples = [sample for each in series for sample in each.samples(busy)]
                keeper.take(now[0], samples)
                keeper.flush()
                if day + 1 == round(days):
                    for sample in samples:
                        lines.setdefault(sample.name, []).append(line_of(sample, now[0]))
            is_last = day + 1 == round(days)
            if (day + 1).bit_count() == 1 or is_last:
                size, resident = path.stat().st_size, psutil.Process().memory_info().rss
                # The samples for a Prometheus are in memory on the last day.
                shown = "" if is_last else f"{resident / 1e6:.0f} MB"
                print(f"| {day + 1} d | {size / 1e6:.1f} MB | {shown} |", flush=True)
        print("\n| range | points | query |\n|---|---|---|")
        for name, seconds in RANGES_S.items():
            if 3600 <= seconds <= days * DAY_S:
                start = time.perf_counter()
                found = keeper.history(Span.of(now[0], seconds, 5))
                taken = (time.perf_counter() - start) * 1000
                print(f"| {name} | {len(found.times)} | {taken:.0f} ms |", flush=True)
        keeper.stop()
        file.close()
        print(
            f"| 24h, from a Prometheus | | {from_prometheus(Path(folder), lines, now[0]):.0f} ms |"
        )


if __name__ == "__main__":
    main()
