import random
import statistics

import pytest

from ollamon.proxy.idle import KEPT_S, LEAST, IdlePower


def of(*watts):
    idle = IdlePower()
    for moment, value in enumerate(watts):
        idle.add(value, float(moment))
    return idle.watts


def test_it_needs_six_intervals():
    assert of(*[4.0] * 5) is None
    assert of(*[4.0] * 6) == 4.0


def test_it_is_the_fifth_percentile():
    watts = [random.Random(1).uniform(3, 40) for _ in range(100)]
    (expected, *_) = statistics.quantiles(watts, n=20, method="inclusive")
    assert of(*watts) == pytest.approx(expected)


def test_what_runs_now_and_then_is_no_idle():
    assert of(*[5.0] * 30, *[90.0] * 60) == 5.0


def test_an_interval_counts_for_an_hour():
    idle = IdlePower()
    for moment in range(LEAST):
        idle.add(1.0, float(moment))
    for moment in range(LEAST):
        idle.add(9.0, KEPT_S - 10 + moment)
    assert idle.watts == 1.0
    for moment in range(LEAST):
        idle.add(9.0, KEPT_S + moment)
    assert idle.watts == 9.0


def test_a_machine_that_is_busy_for_hours_remembers_its_last_six():
    idle = IdlePower()
    for moment in range(LEAST):
        idle.add(1.0 + moment, float(moment))
    idle.add(30.0, 5 * KEPT_S)
    # The oldest one left for the new one.
    assert idle.watts == pytest.approx(2.25)


def test_it_holds_no_more_than_an_hour():
    idle = IdlePower()
    for moment in range(int(3 * KEPT_S)):
        idle.add(random.Random(moment).random(), float(moment))
    assert len(idle._intervals) == len(idle._ordered) == KEPT_S
    assert idle._ordered == sorted(watts for _, watts in idle._intervals)
