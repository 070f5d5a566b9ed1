import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamon.metrics import catalog
from ollamon.proxy.attribution import Attribution
from ollamon.proxy.sharing import Work
from ollamon.readings import Cpu, Platform, Reading, Source, SourceState, State, System

HERE = Platform(System.LINUX, "6.1", "x86_64", None, False)
NOTHING = Reading("0.1.0", "2026-08-25T10:00:00.123Z", 100.0, 5.0, HERE)
IDLE_W = 4.0
SPAN_S = 5.0


class Machine:
    """A helper that is read right after each of its samples, one every 5 s."""

    def __init__(self):
        self.attribution = Attribution()
        self.known = {}
        self.samples = 0
        self.joules = 0.0

    def draws(self, watts, *running, is_new=True):
        """An interval of so many watts, at whose end these requests run."""
        self.samples += is_new
        self.joules += watts * SPAN_S * is_new
        reading = dataclasses.replace(
            NOTHING,
            cpu=Cpu(energy_joules=self.joules, power_source=Source.RAPL),
            sources={
                Source.RAPL: SourceState(
                    State.OK, samples=self.samples, age_seconds=0.0 if is_new else 2.0
                )
            },
        )
        now = SPAN_S * self.samples + (0.0 if is_new else 2.0)
        self.known |= self.attribution.take(reading, now, running)

    def rests(self, intervals=7):
        for _ in range(intervals):
            self.draws(IDLE_W)

    def shown(self, metric, *labels, models=("a", "b")):
        return self.attribution.samples(models).get(metric, {}).get(labels)


@pytest.fixture
def machine():
    return Machine()


def test_before_six_intervals_without_requests_nothing_is_known(machine):
    machine.rests(6)
    machine.draws(24.0, Work(1, "a", 3))
    assert machine.attribution.samples(["a"]) == {catalog.IDLE_POWER: {(): None}}


def test_what_is_above_idle_goes_to_the_requests(machine):
    machine.rests()
    assert machine.shown(catalog.IDLE_POWER) == pytest.approx(IDLE_W)
    assert machine.shown(catalog.ENERGY, "a") == 0
    machine.draws(24.0, Work(1, "a", 3), Work(2, "b", 1))
    assert machine.shown(catalog.ENERGY, "a") == pytest.approx(75)
    assert machine.shown(catalog.ENERGY, "b") == pytest.approx(25)
    assert machine.shown(catalog.IDLE_POWER) == pytest.approx(IDLE_W)
    assert machine.shown(catalog.UNATTRIBUTED_ENERGY) == 0


def test_what_nobody_asked_for_is_unattributed(machine):
    machine.rests(100)
    machine.draws(24.0)
    assert machine.shown(catalog.UNATTRIBUTED_ENERGY) == pytest.approx(100)
    assert machine.shown(catalog.ENERGY, "a") == 0


def test_less_than_idle_is_nothing_and_takes_nothing_back(machine):
    machine.rests()
    machine.draws(24.0, Work(1, "a", 3))
    machine.draws(1.0, Work(1, "a", 4))
    assert machine.shown(catalog.ENERGY, "a") == pytest.approx(100)


def test_a_request_that_began_and_ended_between_two_readings_is_no_idle(machine):
    machine.rests()
    machine.attribution.ended(Work(1, "a", 8), 100 + 1)
    machine.draws(24.0)
    assert machine.known.get(101) == pytest.approx(100)
    assert machine.shown(catalog.UNATTRIBUTED_ENERGY) == 0


def test_a_reading_that_brings_no_sample_changes_nothing(machine):
    machine.rests()
    machine.attribution.ended(Work(1, "a", 8), 100 + 1)
    machine.draws(0.0, is_new=False)
    assert machine.known.get(101) is None
    machine.draws(24.0)
    assert machine.known.get(101) == pytest.approx(100)


def test_a_helper_that_begins_anew_makes_only_that_interval_unknown(machine):
    machine.rests()
    machine.draws(24.0, Work(1, "a", 3))
    machine.joules = 0.0
    machine.draws(24.0, Work(1, "a", 4), Work(2, "b", 4))
    assert machine.shown(catalog.ENERGY, "a") == pytest.approx(100)
    machine.attribution.ended(Work(1, "a", 9), 100 + 1)
    machine.attribution.ended(Work(3, "b", 5), 100 + 3)
    machine.draws(24.0)
    assert machine.known.get(101) is None
    assert machine.known.get(103) == pytest.approx(50)
    assert machine.shown(catalog.ENERGY, "a") == pytest.approx(150)
    assert machine.shown(catalog.IDLE_POWER) == pytest.approx(IDLE_W)


@given(st.lists(st.tuples(st.floats(0, 500), st.integers(0, 4)), max_size=60))
def test_attributed_and_unattributed_are_all_that_is_above_idle(intervals):
    machine = Machine()
    machine.rests(20)
    before = machine.shown(catalog.UNATTRIBUTED_ENERGY)
    above = 0.0
    for number, (watts, requests) in enumerate(intervals):
        works = [Work(each, "ab"[each % 2], number * each) for each in range(requests)]
        machine.draws(watts, *works)
        idle = machine.shown(catalog.IDLE_POWER)
        above += max(0.0, watts - idle) * SPAN_S
    total = machine.shown(catalog.UNATTRIBUTED_ENERGY) - before
    total += sum(machine.shown(catalog.ENERGY, model) for model in "ab")
    assert total == pytest.approx(above, rel=1e-6, abs=1e-6)
