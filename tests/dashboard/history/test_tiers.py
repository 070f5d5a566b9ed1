import sqlite3
from collections.abc import Iterator

import pytest

from ollamon.dashboard.history import tiers
from ollamon.dashboard.history.steps import Key, Level, Step
from ollamon.dashboard.history.tiers import DAY_S, Numbers

A = Key("tokens_total", (("model", "a"),))
G = Key("active", ())
# A full hour.
START = 1_800_000_000


@pytest.fixture
def numbers() -> Iterator[Numbers]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    tiers.create(connection)
    yield Numbers.of(connection)
    connection.close()


def step(t: int, growth: float = 1.0, level: float = 2.0) -> Step:
    return Step(START + t, {A: growth}, {G: Level(level, level, level)})


def read(numbers: Numbers, tier: int, start: float = 0, end: float = 10**10) -> list[Step]:
    return tiers.read(numbers, tier, start, end)


def rows(numbers: Numbers, tier: int) -> int:
    (count,) = numbers.connection.execute(
        "SELECT count(*) FROM steps WHERE tier = ?", (tier,)
    ).fetchone()
    return count


def test_steps_come_back_in_order_with_their_series(numbers):
    tiers.write(numbers, [step(15), step(30, 5), Step(START + 45, ended={A, G})])
    again = Numbers.of(numbers.connection)
    assert read(again, 15) == [step(15), step(30, 5), Step(START + 45, ended={A, G})]


@pytest.mark.parametrize(
    ("step_s", "age_s", "tier"),
    [
        (5, 60, 15),
        (60, 6 * 3600, 60),
        (300, DAY_S, 300),
        (1800, 7 * DAY_S, 300),
        # Twenty minutes of last week, and of last month.
        (5, 7 * DAY_S, 60),
        (5, 30 * DAY_S, 300),
        (5, 200 * DAY_S, 300),
    ],
)
def test_a_tier_is_fine_enough_and_still_there(step_s, age_s, tier):
    assert tiers.tier_for(step_s, age_s) == tier


def test_coarse_steps_are_made_when_they_are_complete(numbers):
    tiers.write(numbers, [step(t, level=t) for t in range(15, 60, 15)])
    assert rows(numbers, 60) == 0
    assert [(each.t - START, each.growth[A]) for each in read(numbers, 60)] == [(60, 3)]
    tiers.write(numbers, [step(t, level=t) for t in range(60, 315, 15)])
    assert [(each.t - START, each.growth[A]) for each in read(numbers, 60)] == [
        (t, 4) for t in range(60, 315, 60)
    ]
    assert rows(numbers, 60) == 5
    (five,) = read(numbers, 300)
    assert (five.growth, five.levels) == ({A: 20}, {G: Level(300, 15, 300)})


def test_a_step_that_a_restart_cut_is_one(numbers):
    tiers.write(numbers, [step(15, 3)])
    tiers.write(numbers, [step(15, 4), step(30)])
    assert [each.growth[A] for each in read(numbers, 15)] == [7, 1]


def test_coarse_steps_after_a_long_pause_do_not_hold_what_was_before(numbers):
    tiers.write(numbers, [step(15)])
    tiers.write(numbers, [step(DAY_S + 15), step(DAY_S + 60)])
    assert [(each.t - START, each.growth[A]) for each in read(numbers, 60)] == [
        (60, 1),
        (DAY_S + 60, 2),
    ]


def test_reading_begins_at_the_keyframe_before(numbers):
    tiers.write(numbers, [step(t) for t in range(0, 7200, 15)])
    found = read(numbers, 15, START + 4000, START + 4100)
    assert found[0].t <= START + 3600
    assert found[-1].t == START + 4095


def test_old_steps_go_tier_by_tier(numbers):
    tiers.write(numbers, [step(t) for t in (0, 60, 300)])
    for age_s, kept in ((DAY_S, (1, 3, 2)), (15 * DAY_S, (0, 0, 2)), (91 * DAY_S, (0, 0, 0))):
        tiers.trim(numbers.connection, START + 200 + age_s, 10**9)
        assert tuple(len(read(numbers, tier)) for tier in tiers.TIERS) == kept


def test_the_oldest_go_when_there_are_too_many_bytes(numbers):
    many = [Key(f"name{i}", ()) for i in range(200)]
    for n in range(400):
        tiers.write(numbers, [Step(START + 15 * n, {key: hash((key, n)) % 997 for key in many})])
    before = tiers.used_bytes(numbers.connection)
    tiers.trim(numbers.connection, START, before // 2)
    assert tiers.used_bytes(numbers.connection) <= before // 2
    kept = read(numbers, 15)
    assert 50 < len(kept) < 300
    assert kept[-1].t == START + 15 * 399


def test_counters_are_remembered(numbers):
    assert tiers.saved_counters(numbers) == ({}, 0.0)
    tiers.save_counters(numbers, {A: 5.0}, 12.5)
    tiers.save_counters(numbers, {A: 7.0}, 13.5)
    assert tiers.saved_counters(Numbers.of(numbers.connection)) == ({A: 7.0}, 13.5)
