import threading

import pytest

from ollamon.helper.collector import (
    DeniedError,
    FailedError,
    Memory,
    UnavailableError,
    Watch,
)
from ollamon.helper.found import Found
from ollamon.readings import Gpu, Source, State, Vendor


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Scripted:
    """A collector that does what its script says, one step a read; the last step stays."""

    source = Source.HWMON
    least_interval_s = 0.0

    def __init__(self, *steps):
        self.steps = list(steps)
        self.reads = 0

    def collect(self, now):
        self.reads += 1
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        return step() if callable(step) else step


WARM = Found(temperature_celsius=50.0)


@pytest.fixture
def clock():
    return Clock()


def watched(clock, *steps, interval_s=5.0):
    return Watch(Scripted(*steps), interval_s, clock)


def test_before_the_first_read_a_source_starts(clock):
    view = watched(clock, WARM).view()
    assert (view.state.state, view.found, view.state.age_seconds) == (State.STARTING, None, None)


def test_a_read_that_succeeds_is_ok_and_has_an_age(clock):
    watch = watched(clock, WARM)
    watch.turn()
    clock.now += 2
    view = watch.view()
    assert (view.state.state, view.found, view.state.age_seconds) == (State.OK, WARM, 2.0)
    assert view.state.samples == 1


def test_the_second_read_comes_after_a_second_and_the_others_at_the_interval(clock):
    watch = watched(clock, WARM)
    assert [watch.turn() for _ in range(3)] == [1.0, 5.0, 5.0]


def test_a_source_is_not_asked_more_often_than_it_wants(clock):
    collector = Scripted(WARM)
    collector.least_interval_s = 10.0
    watch = Watch(collector, 5.0, clock)
    watch.turn()
    assert watch.turn() == 10.0


@pytest.mark.parametrize(
    ("error", "state", "wait_s"),
    [
        (UnavailableError("not here"), State.UNAVAILABLE, 60.0),
        (DeniedError("needs root"), State.PERMISSION_DENIED, 300.0),
        (FailedError("no answer"), State.FAILED, 1.0),
        (OSError(5, "Input/output error"), State.FAILED, 1.0),
        (ValueError("what is this"), State.FAILED, 1.0),
        (ZeroDivisionError("a defect"), State.FAILED, 1.0),
    ],
)
def test_a_read_that_fails_is_a_state_with_a_reason(clock, error, state, wait_s):
    watch = watched(clock, error)
    assert watch.turn() == wait_s
    view = watch.view()
    assert (view.state.state, view.found) == (state, None)
    assert view.state.detail
    assert view.state.parse_errors == isinstance(error, ValueError)


def test_the_text_of_a_foreign_exception_is_not_published(clock):
    watch = watched(clock, RuntimeError("token=secret"))
    watch.turn()
    assert watch.view().state.detail == "cannot read it: RuntimeError"


def test_the_back_off_doubles_to_a_minute_and_a_success_resets_it(clock):
    failure = FailedError("no answer")
    watch = watched(clock, *[failure] * 8, WARM, WARM, failure)
    assert [watch.turn() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    watch.turn()
    assert watch.turn() == 5.0
    assert watch.turn() == 1.0


def test_a_source_that_works_again_counts_a_restart(clock):
    failure = FailedError("no answer")
    watch = watched(clock, failure, WARM, failure, failure, WARM)
    for _ in range(5):
        watch.turn()
    # The first success is a start, the second a restart.
    assert watch.view().state.restarts == 1


def test_values_outlive_a_failure_for_three_intervals_and_no_longer(clock):
    watch = watched(clock, WARM, FailedError("no answer"))
    watch.turn()
    watch.turn()
    clock.now += 15
    assert watch.view().found == WARM
    assert watch.view().state.state is State.FAILED
    clock.now += 0.1
    assert watch.view().found is None
    assert watch.view().state.state is State.FAILED


def test_values_of_a_source_that_is_gone_vanish_at_once(clock):
    watch = watched(clock, WARM, UnavailableError("unplugged"))
    watch.turn()
    watch.turn()
    assert watch.view().found is None


def test_a_read_that_hangs_makes_the_source_stale(clock):
    watch = watched(clock, WARM)
    watch.turn()
    clock.now += 15.1
    view = watch.view()
    assert (view.state.state, view.found) == (State.STALE, None)
    assert view.state.age_seconds == pytest.approx(15.1)


def test_a_slow_read_is_told(clock):
    def slow():
        clock.now += 7
        return WARM

    watch = watched(clock, slow)
    watch.turn()
    assert watch.view().state.detail == "the last read took 7.0 s"


def test_a_value_out_of_range_is_unknown_and_counted(clock):
    gpu = Gpu("amd0", Vendor.AMD, "AMD GPU", utilization_percent=101.0, power_mw=5.0)
    found = Found(gpus=(gpu,), power_mw=float("nan"), temperature_celsius=0.0, energy_joules=-1.0)
    watch = watched(clock, found)
    watch.turn()
    view = watch.view()
    assert view.found is not None
    assert (view.found.power_mw, view.found.temperature_celsius) == (None, None)
    assert view.found.gpus[0].utilization_percent is None
    assert view.found.gpus[0].power_mw == 5.0
    assert view.state.parse_errors == 4


def test_a_watch_reads_in_its_own_thread_until_it_is_stopped(clock):
    stop, read = threading.Event(), threading.Event()

    def look():
        read.set()
        return WARM

    watched(clock, look).start(stop)
    assert read.wait(10)
    stop.set()


def test_a_driver_that_hangs_hangs_alone(clock):
    stop, release, read = threading.Event(), threading.Event(), threading.Event()

    def hang():
        release.wait(60)
        return WARM

    def look():
        read.set()
        return WARM

    hanging = watched(clock, hang)
    hanging.start(stop)
    watched(clock, look).start(stop)
    assert read.wait(10)
    assert hanging.view().state.state is State.STARTING
    stop.set()
    release.set()


def test_nothing_is_known_at_birth():
    assert Memory().found is None
