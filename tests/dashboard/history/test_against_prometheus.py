"""Kept steps against a real Prometheus: the same numbers where a window begins and ends on scrapes.

There its extrapolation has nothing to add, and an exact sum of growth must give the same rates and
quantiles, counter resets included.
"""

import random
import time
from pathlib import Path

import pytest

from ollamon.dashboard.history import tiers
from ollamon.dashboard.history.file import HistoryFile
from ollamon.dashboard.history.keeper import Keeper
from ollamon.dashboard.sources.source import Span
from ollamon.metrics.panels import PANELS
from ollamon.metrics.rewriting import widened
from tests.metrics.test_differential import RealPrometheus, Rows, machines, same

SCRAPE_S = 15
SECONDS = 7200
# Long ago enough that blocks may be made of it, and on the grid of the coarsest tier.
START = (int(time.time()) - 4 * 3600) // 300 * 300


def scraped(keeper: Keeper) -> Rows:
    """Two hours of one machine, to the keeper and as rows."""
    dice, rows = random.Random(3), {}
    every = machines(dice)
    for t in range(START, START + SECONDS + 1, SCRAPE_S):
        samples = []
        for machine in every:
            if dice.random() < 0.004:
                machine.reset()
            found = machine.step()
            samples += found
            for sample in found:
                key = (sample.name, frozenset(sample.labels.items()))
                rows.setdefault(machine.metric, {}).setdefault(key, []).append((t, sample.value))
        keeper.take(t, samples)
        if t % 1200 == 0:
            keeper.flush()
    keeper.stop()
    return rows


@pytest.mark.timeout(300)
def test_every_panel_over_every_tier_equals_prometheus(tmp_path: Path):
    file = HistoryFile(tmp_path / "history.sqlite3", tiers.create)
    keeper = Keeper(
        file,
        PANELS,
        max_bytes=10**9,
        in_thread=lambda work: work(),
        clock=lambda: START + SECONDS,
    )
    prometheus = RealPrometheus(tmp_path, scraped(keeper))
    wrong, points = [], 0
    try:
        prometheus.wait_ready()
        for step in (60, 300, 1800):
            history = keeper.history(Span(START + SECONDS, SECONDS, step))
            # The first window lacks the scrape before it.
            times = [t for t in history.times if t > START + 300 + step]
            for panel in PANELS:
                query = widened(panel.expression, step).promql()
                theirs = prometheus.range(query, times[0], times[-1], step)
                mine = {
                    (labels, float(t)): value
                    for labels, column in history.panels[panel.id].items()
                    for t, value in zip(history.times, column, strict=True)
                    if t in times
                }
                points += len(theirs)
                wrong += [
                    (step, query, point, theirs.get(point), mine.get(point))
                    for point in mine.keys() | theirs.keys()
                    if not same(theirs.get(point), mine.get(point))
                ]
    finally:
        prometheus.close()
        file.close()
    assert wrong[:5] == []
    assert points > 9_000
