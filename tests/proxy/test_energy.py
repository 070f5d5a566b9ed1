import pytest

from ollamon.proxy.energy import EnergyCounter


@pytest.mark.parametrize(
    ("said", "total"),
    [
        ([100.0], 0),
        ([100.0, 130.0, 131.5], 31.5),
        ([100.0, 130.0, 4.0, 5.0], 35),
        ([100.0, None, 110.0], 10),
        ([0.0, 0.0], 0),
    ],
)
def test_only_what_came_since_our_start_counts_and_a_restart_loses_nothing(said, total):
    counter = EnergyCounter()
    for value in said:
        seen = counter.take({("a",): value})
    assert seen == {("a",): pytest.approx(total)}


def test_an_unknown_energy_has_no_series_and_a_known_one_stays():
    counter = EnergyCounter()
    assert counter.take({("a",): None}) == {}
    counter.take({("a",): 1.0})
    counter.take({("a",): 3.0, ("b",): 7.0})
    assert counter.take({}) == {("a",): 2.0, ("b",): 0.0}
