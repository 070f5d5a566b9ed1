"""What a real Prometheus is asked about is in test_differential.py; here is the rest."""

import math

import pytest

from ollamon.metrics import series
from ollamon.metrics.series import Ring, Sample, SeriesStore, key_of, milliseconds


def ring(*samples: tuple[float, float]) -> Ring:
    made = Ring()
    for t, value in samples:
        made.add(milliseconds(t), value)
    return made


def last(store: SeriesStore, t: float, name: str = "m") -> dict:
    found = {labels: made.last(milliseconds(t)) for labels, made in store.select(name)}
    return {labels: value for labels, value in found.items() if value is not None}


def test_a_label_without_a_value_is_none():
    assert key_of({"b": "2", "a": "1", "c": ""}) == (("a", "1"), ("b", "2"))


@pytest.mark.parametrize(
    ("t", "value"),
    [(9.999, None), (10, 1.0), (310, 1.0), (310.001, None)],
    ids=["before", "at the sample", "five minutes later", "a millisecond after that"],
)
def test_a_value_lasts_five_minutes(t, value):
    assert ring((10, 1.0)).last(milliseconds(t)) == value


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], None),
        ([(0, 1)], None),
        ([(0, 100), (60, 160)], 1.0),
        ([(0, 100), (30, 130), (60, 20)], 50 / 60),
        ([(0, 100), (30, math.nan), (60, 160)], 1.0),
        ([(10, 100), (50, 140)], 1.0),
        ([(10, 0), (50, 40)], 50 / 60),
        ([(20, 100), (25, 105), (30, 110)], (10 / 60) * (10 + 2.5 + 2.5) / 10),
    ],
    ids=[
        "nothing",
        "one sample",
        "edge to edge",
        "a reset",
        "an end in between",
        "carried on to both edges",
        "but not below zero",
        "and half a distance where samples are missing",
    ],
)
def test_a_rate(samples, expected):
    found = ring(*samples).rate(60_000, 60_000)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-12))


def test_the_left_edge_is_one_constant(monkeypatch):
    edge = ring((0, 0), (60, 60))
    assert edge.rate(60_000, 60_000) is not None
    assert edge.last(360_000) == 60
    monkeypatch.setattr(series, "LEFT_CLOSED", False)
    assert edge.rate(60_000, 60_000) is None
    assert edge.last(360_000) is None


def test_a_sample_that_is_not_newer_is_dropped():
    twice = ring((10, 1.0), (10, 2.0), (9, 3.0))
    assert twice.last(10_000) == 1.0


def test_a_ring_does_not_grow_for_ever():
    long = ring(*((i, float(i)) for i in range(5000)))
    assert len(long._times) <= series.MAX_SAMPLES * 5 // 4
    assert long.last(milliseconds(4999)) == 4999


def test_a_series_ends_with_the_scrape_that_lacks_it():
    store = SeriesStore()
    store.add(10, [Sample("m", {"a": "1"}, 5), Sample("m", {"a": "2"}, 6)])
    store.add(15, [Sample("m", {"a": "2"}, 7)])
    assert last(store, 15) == {(("a", "2"),): 7}
    assert last(store, 14) == {(("a", "1"),): 5, (("a", "2"),): 6}
    store.add(20, [Sample("m", {"a": "1"}, 8)])
    assert last(store, 20) == {(("a", "1"),): 8}


def test_a_failed_scrape_ends_all():
    store = SeriesStore()
    store.add(10, [Sample("m", {}, 5)])
    store.add(15, ())
    store.add(20, ())
    assert last(store, 20) == {}
    assert last(store, 12) == {(): 5}


def test_nan_is_not_a_value():
    store = SeriesStore()
    store.add(10, [Sample("m", {}, math.nan)])
    assert len(store) == 0


def test_what_is_older_than_an_hour_is_forgotten():
    store = SeriesStore(keep_s=100)
    store.add(10, [Sample("m", {}, 5), Sample("n", {}, 1)])
    store.add(60, [Sample("m", {}, 6)])
    store.add(115, [Sample("m", {}, 7)])
    assert last(store, 12) == {}
    assert last(store, 60) == {(): 6}
    assert len(store) == 2
    store.add(170, [Sample("m", {}, 7)])
    assert len(store) == 1


def test_the_number_of_series_is_bounded():
    store = SeriesStore(max_series=3)
    store.add(10, [Sample("m", {"a": str(i)}, i) for i in range(10)])
    assert len(store) == 3
    assert store.refused == 7
    store.add(15, [Sample("m", {"a": "0"}, 9)])
    assert last(store, 15) == {(("a", "0"),): 9}


def test_a_clock_that_is_set_back_starts_over():
    store = SeriesStore()
    store.add(1000, [Sample("m", {}, 5)])
    store.add(10, [Sample("m", {}, 6)])
    assert last(store, 10) == {(): 6}


def test_series_come_in_the_order_of_their_labels():
    store = SeriesStore()
    store.add(10, [Sample("m", {"a": name}, 1) for name in "cab"])
    store.add(15, [Sample("m", {"a": "aa"}, 1)])
    assert [labels[0][1] for labels, _ in store.select("m")] == ["a", "aa", "b", "c"]
    assert [labels for labels, _ in store.select("m", lambda labels: labels[0][1] == "b")] == [
        (("a", "b"),)
    ]
