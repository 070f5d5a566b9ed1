import pytest

from ollamon.helper.energy import LONGEST_S, Ledger, count, integrate


def counted(*samples, **options):
    """Run (second, joules) samples through a ledger."""
    ledger = Ledger()
    for second, joules in samples:
        ledger = count(ledger, joules, second, **options)
    return ledger


def test_one_sample_of_a_counter_tells_nothing():
    assert counted((0, 500)).power_mw is None
    assert counted((0, 500)).joules is None


def test_two_samples_tell_power_and_energy():
    ledger = counted((0, 500), (5, 550))
    assert (ledger.power_mw, ledger.joules) == (10_000, 50)


def test_less_than_a_second_is_too_short_to_tell():
    ledger = counted((0, 500), (5, 550), (5.5, 560))
    assert (ledger.power_mw, ledger.joules) == (10_000, 50)
    assert count(ledger, 570, 7).power_mw == 10_000


def test_a_sample_that_is_missing_makes_the_power_unknown_and_loses_no_energy():
    ledger = counted((0, 500), (5, 550), (10, None))
    assert (ledger.power_mw, ledger.joules) == (None, 50)
    assert count(ledger, 600, 15).joules == 100
    assert count(ledger, 600, 15).power_mw == 5000


def test_a_counter_that_falls_without_a_range_was_reset():
    ledger = counted((0, 500), (5, 550), (10, 20))
    assert (ledger.power_mw, ledger.joules) == (None, 50)
    assert count(ledger, 70, 15).joules == 100


def test_an_idle_domain_draws_nothing_and_that_is_known():
    ledger = counted((0, 500), (5, 500))
    assert (ledger.power_mw, ledger.joules) == (0, 0)


def integrated(*samples):
    ledger = Ledger()
    for second, milliwatts in samples:
        ledger = integrate(ledger, milliwatts, second)
    return ledger


def test_power_is_integrated_by_trapezoids():
    assert integrated((0, 10_000), (5, 20_000), (10, 0)).joules == pytest.approx(75 + 50)


def test_no_energy_is_counted_around_an_unknown_power():
    ledger = integrated((0, 10_000), (5, 10_000), (10, None), (15, 10_000))
    assert ledger.joules == pytest.approx(50)
    assert integrate(ledger, 10_000, 20).joules == pytest.approx(100)


def test_a_long_gap_is_not_guessed():
    assert integrated((0, 10_000), (LONGEST_S + 1, 10_000)).joules is None
