import shutil
import tempfile
from pathlib import Path

import pytest

from ollamon.helper.collector import DeniedError, FailedError, UnavailableError
from ollamon.helper.collectors.rapl import Rapl
from tests.helper.trees import as_nobody, break_file, plant

ZONES = "class/powercap"
RANGE_UJ = 262_143_328_850


def package(index, energy_uj, name=None):
    zone = f"{ZONES}/intel-rapl:{index}"
    return {
        f"{zone}/name": name or f"package-{index}",
        f"{zone}/energy_uj": energy_uj,
        f"{zone}/max_energy_range_uj": RANGE_UJ,
    }


def others(energy_uj):
    """Zones that would be counted twice, or are no CPU."""
    return {
        **package("0:0", energy_uj, "core"),
        **package(9, energy_uj, "psys"),
        f"{ZONES}/intel-rapl-mmio:0/name": "package-0",
        f"{ZONES}/intel-rapl-mmio:0/energy_uj": energy_uj,
        f"{ZONES}/intel-rapl-mmio:0/max_energy_range_uj": RANGE_UJ,
    }


def test_power_is_energy_over_time_summed_over_packages_alone(tmp_path):
    rapl = Rapl(tmp_path)
    plant(tmp_path, package(0, 1_000_000) | package(1, 5_000_000) | others(0))
    first = rapl.collect(100.0)
    assert (first.power_mw, first.energy_joules) == (None, None)
    plant(tmp_path, package(0, 51_000_000) | package(1, 30_000_000) | others(10**9))
    second = rapl.collect(105.0)
    assert second.power_mw == pytest.approx(15_000)
    assert second.energy_joules == pytest.approx(75)


def test_a_counter_that_wraps_goes_on(tmp_path):
    rapl = Rapl(tmp_path)
    plant(tmp_path, package(0, RANGE_UJ - 10_000_000))
    rapl.collect(0)
    plant(tmp_path, package(0, 40_000_000))
    found = rapl.collect(5)
    assert found.power_mw == pytest.approx(10_000)
    assert found.energy_joules == pytest.approx(50)


def test_an_interval_in_which_it_may_have_wrapped_twice_is_unknown(tmp_path):
    rapl = Rapl(tmp_path)
    plant(tmp_path, package(0, 1_000_000))
    rapl.collect(0)
    plant(tmp_path, package(0, 2_000_000))
    found = rapl.collect(200)
    assert (found.power_mw, found.energy_joules) == (None, None)


def test_more_than_two_kilowatts_is_no_measurement(tmp_path):
    rapl = Rapl(tmp_path)
    plant(tmp_path, package(0, 0))
    rapl.collect(0)
    plant(tmp_path, package(0, 10_001_000_000))
    assert rapl.collect(5).power_mw is None
    plant(tmp_path, package(0, 10_051_000_000))
    assert rapl.collect(10).power_mw == pytest.approx(10_000)


def test_a_package_that_vanishes_makes_the_sum_unknown(tmp_path):
    rapl = Rapl(tmp_path)
    plant(tmp_path, package(0, 0) | package(1, 0))
    rapl.collect(0)
    plant(tmp_path, package(0, 50_000_000))
    break_file(tmp_path / ZONES / "intel-rapl:1/energy_uj")
    found = rapl.collect(5)
    assert found.power_mw is None
    assert found.energy_joules == pytest.approx(50)


def test_energy_is_not_lost_when_a_package_returns(tmp_path):
    rapl = Rapl(tmp_path)
    energies = []
    for second, content in (
        (0, 0),
        (5, 50_000_000),
        (10, None),
        (15, 90_000_000),
        (20, 95_000_000),
    ):
        if content is None:
            break_file(tmp_path / ZONES / "intel-rapl:0/energy_uj")
            with pytest.raises(FailedError):
                rapl.collect(second)
            (tmp_path / ZONES / "intel-rapl:0/energy_uj").unlink()
            continue
        plant(tmp_path, package(0, content))
        energies.append(rapl.collect(second).energy_joules)
    # A failed read leaves the ledger, so that the counter tells what was drawn meanwhile.
    assert energies == [None, pytest.approx(50), pytest.approx(90), pytest.approx(95)]


def test_without_rapl_there_is_no_such_source(tmp_path):
    plant(tmp_path, others(0))
    with pytest.raises(UnavailableError):
        Rapl(tmp_path).collect(0)


def test_a_counter_that_only_root_may_read_is_denied_and_says_what_helps():
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        plant(folder, package(0, 1))
        (folder / ZONES / "intel-rapl:0/energy_uj").chmod(0)
        denied = as_nobody(lambda: Rapl(folder).collect(0))
    finally:
        shutil.rmtree(folder)
    assert isinstance(denied, DeniedError)
    assert "root" in str(denied)
