"""Samples in, history out: over restarts, broken files and full disks."""

import math
import random
from pathlib import Path

import pytest

from ollamon.dashboard.history import tiers
from ollamon.dashboard.history.file import HistoryFile
from ollamon.dashboard.history.keeper import MOST_WAITING, Keeper
from ollamon.dashboard.sources.source import Span
from ollamon.metrics import catalog
from ollamon.metrics.panels import PANELS
from ollamon.metrics.series import Sample

START = 1_800_000_000
TOKENS = catalog.GENERATED_TOKENS.name
ACTIVE = catalog.ACTIVE_REQUESTS.name
FIRST = 4
KEY = (("model", "a"),)


class Clock:
    now = float(START)

    def __call__(self) -> float:
        return self.now


class Kept:
    """A keeper over a file, with a clock; `restart` makes another one over the same file."""

    def __init__(self, path: Path, max_bytes: int = 10**9) -> None:
        self.path, self.max_bytes, self.clock, self.total = path, max_bytes, Clock(), 0.0
        self.restart()

    def restart(self) -> None:
        self.file = HistoryFile(self.path, tiers.create, clock=self.clock)
        self.keeper = Keeper(
            self.file,
            PANELS,
            max_bytes=self.max_bytes,
            in_thread=lambda work: work(),
            clock=self.clock,
        )

    def live(self, seconds: int, per_second: float = 2.0, active: float = 1.0) -> None:
        """Scrape each 5 s, flush each minute."""
        for _ in range(0, seconds, 5):
            self.clock.now += 5
            self.total += 5 * per_second
            labels = {"model": "a"}
            samples = [Sample(TOKENS, labels, self.total), Sample(ACTIVE, labels, active)]
            self.keeper.take(self.clock.now, samples)
            if self.clock.now % 60 == 0:
                self.keeper.flush()

    def rates(self, seconds: float) -> list[float]:
        span = Span.of(self.clock.now, seconds, 5)
        return list(self.keeper.history(span).panels["token_rate"].get(KEY, []))


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "history.sqlite3")


@pytest.mark.parametrize("seconds", [3600, 21_600, 86_400])
def test_the_rate_is_what_grew(kept, seconds):
    kept.live(2 * 3600)
    known = [value for value in kept.rates(seconds) if not math.isnan(value)]
    # Of the first scrape nobody knows by how much it grew.
    assert known[FIRST:] == pytest.approx([2.0] * len(known[FIRST:]))
    assert len(known) >= min(seconds, 2 * 3600) / Span.of(0, seconds, 15).step_s - 1


def test_history_outlives_the_process_and_loses_nothing(kept):
    kept.live(1800)
    kept.keeper.stop()
    kept.restart()
    kept.live(1800)
    rates = kept.rates(3600)
    assert rates[FIRST:] == pytest.approx([2.0] * len(rates[FIRST:]))


def test_a_crash_loses_a_minute_at_most(kept):
    kept.live(1830)
    kept.restart()
    kept.live(600)
    unknown = [value for value in kept.rates(2400) if math.isnan(value)]
    assert len(unknown) <= 4


def test_a_pause_is_a_gap(kept):
    kept.live(1200)
    kept.clock.now += 1200
    kept.live(1200)
    rates = kept.rates(3600)
    gap = sum(map(math.isnan, rates))
    assert 1100 / 15 <= gap <= 1260 / 15
    assert max(value for value in rates if not math.isnan(value)) == pytest.approx(2.0)


def test_nothing_is_lost_while_the_disk_is_full(kept):
    kept.live(600)
    limited = kept.file._connection
    (pages,) = limited.execute("PRAGMA page_count").fetchone()
    limited.execute(f"PRAGMA max_page_count={pages}")
    kept.live(3000)
    assert "full" in kept.file.error
    assert not any(map(math.isnan, kept.rates(3600)[1:]))
    limited.execute("PRAGMA max_page_count=1000000")
    kept.live(180)
    assert kept.file.error == ""
    kept.restart()
    assert not any(map(math.isnan, kept.rates(3600)[1:]))


def test_what_waits_for_a_disk_is_bounded(kept):
    kept.path.mkdir()
    kept.live(2 * 3600)
    assert len(kept.keeper._waiting) <= MOST_WAITING
    assert len(kept.rates(3600)) > 200


def test_a_broken_file_is_moved_aside_and_a_new_one_begins(kept):
    kept.path.write_bytes(b"no database at all" * 500)
    kept.live(600)
    assert kept.file.moved.endswith(".broken")
    kept.restart()
    assert len([value for value in kept.rates(600) if not math.isnan(value)]) > 30


def test_a_quantile_over_hours_is_that_of_all_observations(tmp_path):
    """Exact sums: as from the raw observations, within the one bucket."""
    kept, dice = Kept(tmp_path / "history.sqlite3"), random.Random(5)
    histogram = catalog.TIME_TO_FIRST_TOKEN
    counts = dict.fromkeys((*histogram.buckets, math.inf), 0)
    seen = []
    for _ in range(0, 6 * 3600, 15):
        kept.clock.now += 15
        value = dice.expovariate(1)
        seen.append(value)
        for bound in counts:
            counts[bound] += value <= bound
        samples = [
            Sample(f"{histogram.name}_bucket", {"model": "a", "le": f"{bound:g}"}, count)
            for bound, count in counts.items()
        ]
        kept.keeper.take(kept.clock.now, samples)
    kept.keeper.flush()
    span = Span(kept.clock.now, 6 * 3600, 3600)
    (column,) = kept.keeper.history(span).panels["ttft"].values()
    for hour in range(1, 6):
        mine = sorted(seen[hour * 240 : (hour + 1) * 240])
        assert column[hour] == pytest.approx(mine[int(0.95 * 240)], rel=0.35)
