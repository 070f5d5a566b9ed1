import math

import pytest

from ollamon.dashboard.sources.rows import Rows
from ollamon.dashboard.sources.source import Reading, Span

A, B = (("model", "a"),), (("model", "b"),)


def filled(count: int, step: float = 5.0, max_rows: int = 3600) -> Rows:
    rows = Rows(max_rows)
    for i in range(count):
        rows.add(Reading(1000 + i * step, {"p": {A: float(i)}}))
    return rows


def known(column) -> list[float | None]:
    return [None if math.isnan(value) else value for value in column]


@pytest.mark.parametrize(
    ("seconds", "interval", "step", "points"),
    [(300, 5, 5, 60), (900, 5, 5, 180), (3600, 5, 5, 720), (3600, 1, 5, 720), (300, 0.2, 0.6, 500)],
    ids=["5m", "15m", "1h", "1h each second", "5m five times a second"],
)
def test_a_span_never_has_more_than_720_points(seconds, interval, step, points):
    span = Span.of(1000, seconds, interval)
    assert span.step_s == pytest.approx(step)
    assert span.points == points


def test_gaps_stay_gaps():
    rows = Rows()
    rows.add(Reading(10, {"p": {A: 1.0}}))
    rows.add(Reading(15, {"p": {A: 2.0, B: 3.0}, "q": {(): 4.0}}))
    rows.add(Reading(20))
    rows.add(Reading(25, {"p": {B: 5.0}}))
    history = rows.history(Span.of(25, 300, 5))
    assert history.times == [10, 15, 20, 25]
    assert known(history.panels["p"][A]) == [1, 2, None, None]
    assert known(history.panels["p"][B]) == [None, 3, None, 5]
    assert known(history.panels["q"][()]) == [None, 4, None, None]


def test_a_range_begins_after_its_left_edge():
    history = filled(100).history(Span.of(1000 + 99 * 5, 300, 5))
    assert len(history.times) == 60
    assert history.times[-1] == 1495
    assert history.panels["p"][A][0] == 40


def test_too_many_rows_are_thinned_and_the_last_one_stays():
    history = filled(3600, 1.0).history(Span.of(4599, 3600, 1))
    assert len(history.times) == 720
    assert history.times[-1] == 4599
    assert history.times[-1] - history.times[-2] == 5


def test_rows_are_bounded_and_series_that_ended_long_ago_vanish():
    rows = Rows(max_rows=100)
    rows.add(Reading(0, {"p": {B: 1.0}}))
    for i in range(1, 1000):
        rows.add(Reading(i, {"p": {A: float(i)}}))
    history = rows.history(Span.of(999, 3600, 5))
    assert len(history.times) <= 125
    assert list(history.panels["p"]) == [A]


def test_a_clock_that_is_set_back_starts_over():
    rows = filled(10)
    rows.add(Reading(20, {"p": {B: 1.0}}))
    history = rows.history(Span.of(20, 300, 5))
    assert history.times == [20]
    assert list(history.panels["p"]) == [B]


def test_nothing_yet():
    assert Rows().history(Span.of(20, 300, 5)).times == []
