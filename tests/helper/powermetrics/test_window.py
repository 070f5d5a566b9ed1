import pytest

from ollamon.helper.powermetrics.sample import Draw, Sample, extract
from ollamon.helper.powermetrics.window import Account, Tally, add, found
from ollamon.readings import Vendor
from tests.fakes.powermetrics import apple, intel


def tallied(*draws, elapsed_s=1.0):
    tally = Tally()
    powers = []
    for draw in draws:
        tally = add(tally, draw, elapsed_s)
        powers.append(tally.power_mw)
    return tally, powers


def test_one_sample_that_covers_four_seconds_is_its_own_mean():
    tally = add(Tally(), Draw(15000, 3000.0), 5.0)
    assert (tally.power_mw, tally.joules) == (3000, 15)


def test_power_waits_for_four_seconds():
    assert tallied(*[Draw(100)] * 6)[1] == [None, None, None, 100, 100, 100]


def test_batches_of_two_seconds_give_a_steady_power():
    """A chip that draws 100 mW and publishes its energy every second sample."""
    tally, powers = tallied(*[Draw(0, is_busy=True), Draw(200, is_busy=True)] * 10)
    assert powers[3:] == [100] * 17
    assert tally.joules == pytest.approx(2.0)


def test_the_window_is_the_shortest_that_covers_four_seconds():
    tally, _ = tallied(*[Draw(100)] * 20)
    assert len(tally.slices) == 4
    assert add(tally, Draw(50), 5.0).power_mw == 10


def test_no_energy_at_work_is_unknown_and_never_0():
    tally, powers = tallied(*[Draw(0, 0.0, is_busy=True)] * 6)
    assert powers == [None] * 6
    assert tally.joules is None


def test_no_energy_at_rest_is_0():
    tally, powers = tallied(*[Draw(0, 0.0)] * 5)
    assert powers[-1] == 0
    assert tally.joules == 0


def test_a_part_that_says_nothing_is_unknown_and_begins_anew():
    tally, powers = tallied(*[Draw(100)] * 4, Draw(), *[Draw(100)] * 4)
    assert powers == [None, None, None, 100, None, None, None, None, 100]
    assert tally.joules == pytest.approx(0.8)


def test_energy_out_of_range_is_not_added():
    tally, _ = tallied(Draw(5_000_000_000), elapsed_s=5.0)
    assert tally.power_mw == 1e9
    assert tally.joules is None


def test_without_a_duration_power_is_known_and_energy_is_not():
    assert add(Tally(), Draw(100, 20.0), None) == Tally((), None, 20.0)
    assert add(Tally(), Draw(0, 0.0, is_busy=True), None).power_mw is None


def test_a_long_sleep_is_one_long_interval():
    assert add(Tally(), Draw(36_000), 3600.0).power_mw == 10


def test_what_is_found_on_apple_silicon():
    sample = extract(apple())
    seen = found(sample, Account().take(sample))
    (gpu,) = seen.gpus
    assert (seen.power_mw, seen.energy_joules) == (3000, 15)
    assert (seen.ane_power_mw, seen.ane_energy_joules, seen.combined_power_mw) == (0, 0, 3250)
    assert (gpu.id, gpu.utilization_percent, gpu.power_mw) == ("apple0", 25, 250)
    assert (gpu.energy_joules, gpu.frequency_mhz) == (1.25, 338)


def test_what_is_found_on_an_intel_mac():
    sample = extract(intel())
    seen = found(sample, Account().take(sample))
    (gpu,) = seen.gpus
    assert (seen.power_mw, seen.temperature_celsius) == (8250, 61.5)
    assert (gpu.vendor, gpu.power_mw, gpu.temperature_celsius) == (Vendor.INTEL, 1500, 48.25)
    assert (seen.ane_power_mw, seen.combined_power_mw) == (None, None)


def test_a_sample_without_our_values_finds_nothing():
    seen = found(Sample(1.0), Account().take(Sample(1.0)))
    assert seen.gpus == ()
    assert seen.power_mw is None
