import pytest

from ollamon.dashboard.history.replay import Replay, grid
from ollamon.dashboard.history.steps import Key, Level, Step
from ollamon.metrics import catalog
from ollamon.metrics.expressions import Increase, Max, Quantile, Rate, Sum, Value

TOKENS = catalog.GENERATED_TOKENS
ACTIVE = catalog.ACTIVE_REQUESTS
TTFT = catalog.TIME_TO_FIRST_TOKEN
A, B = (Key(TOKENS.name, (("model", name),)) for name in "ab")
GA, GB = (Key(ACTIVE.name, (("model", name),)) for name in "ab")


def test_a_rate_is_growth_by_known_time():
    replay = Replay([Step(15, {A: 0}), Step(30, {A: 30}), Step(45), Step(60, {A: 60})], 15)
    assert Rate(TOKENS).eval(replay, 60) == {A.labels: 1.5}
    assert Increase(TOKENS).eval(replay, 60) == {A.labels: 90}
    assert Rate(TOKENS, 30).eval(replay, 60) == {A.labels: 2}
    # A window is as long as a step at least.
    assert Rate(TOKENS, 1).eval(replay, 60) == {A.labels: 4}


def test_time_that_is_not_known_is_not_counted():
    replay = Replay([Step(15, {A: 0}), Step(60, {A: 60})], 15)
    assert Rate(TOKENS).eval(replay, 60) == {A.labels: 2}
    assert Rate(TOKENS, 15).eval(replay, 45) == {}


def test_a_series_is_there_from_its_first_step_to_its_end():
    replay = Replay([Step(15), Step(30, {A: 0}), Step(45), Step(60, ended={A}), Step(75)], 15)
    there = [bool(Rate(TOKENS, 15).eval(replay, t)) for t in (15, 30, 45, 60, 75)]
    assert there == [False, True, True, True, False]


def test_a_level_stays_until_it_changes_or_ends():
    steps = [
        Step(15, levels={GA: Level(1, 1, 1), GB: Level(5, 5, 5)}),
        Step(30),
        Step(45, levels={GA: Level(2, 0, 2)}, ended={GB}),
        Step(75, levels={GB: Level(7, 7, 7)}),
    ]
    replay = Replay(steps, 15)
    assert Sum(Value(ACTIVE)).eval(replay, 30) == {(): 6}
    assert Value(ACTIVE).eval(replay, 45) == {GA.labels: 2}
    assert Value(ACTIVE).eval(replay, 60) == {}
    assert Max(Value(ACTIVE)).eval(replay, 75) == {(): 7}


def test_quantiles_come_from_the_sums_of_buckets():
    def bucket(bound: str) -> Key:
        return Key(f"{TTFT.name}_bucket", (("le", bound), ("model", "a")))

    steps = [
        Step(15, {bucket("1.0"): 90, bucket("2.0"): 90, bucket("+Inf"): 90}),
        Step(30, {bucket("2.0"): 10, bucket("+Inf"): 10}),
    ]
    replay = Replay(steps, 15)
    assert Quantile(0.95, TTFT).eval(replay, 30) == {(): pytest.approx(1.5)}
    # The mean of the steps' own quantiles would be another number.
    alone = [Quantile(0.95, TTFT, window_s=15).eval(replay, t)[()] for t in (15, 30)]
    assert sum(alone) / 2 != pytest.approx(1.5)


def test_nothing_that_grew_is_exactly_nothing():
    replay = Replay([Step(15, {A: 0.1}), Step(30, {A: 0.2}), Step(45), Step(60)], 15)
    assert Rate(TOKENS, 30).eval(replay, 60) == {A.labels: 0}


def test_a_grid_ends_with_a_step_that_is_over():
    assert list(grid(62, 45, 15)) == [30, 45, 60]
    assert list(grid(60, 30, 15)) == [45, 60]
    assert len(grid(1e9, 86_400, 300)) == 288
