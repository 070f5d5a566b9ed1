import pytest

from ollamon.helper.collector import UnavailableError
from ollamon.helper.collectors.intel import Intel
from tests.helper.trees import break_file, plant

SENSORS = "hwmon/hwmon3"


def card(index, **files):
    device = f"class/drm/card{index}/device"
    content = {
        "vendor": "0x8086",
        "power/runtime_status": "active",
        f"{SENSORS}/energy1_input": 5_000_000_000,
        f"{SENSORS}/temp2_input": 47_000,
        **{name.replace("__", "/"): value for name, value in files.items()},
    }
    return {f"{device}/{name}": value for name, value in content.items() if value is not None}


def energy(value):
    return {f"class/drm/card0/device/{SENSORS}/energy1_input": value}


def test_power_and_energy_are_the_steps_of_its_counter(tmp_path):
    plant(tmp_path, card(0))
    intel = Intel(tmp_path)
    (gpu,) = intel.collect(0).gpus
    assert (gpu.id, gpu.vendor, gpu.integrated) == ("intel0", "intel", False)
    assert (gpu.power_mw, gpu.energy_joules, gpu.temperature_celsius) == (None, None, 47)
    assert gpu.utilization_percent is None
    plant(tmp_path, energy(5_000_000_000 + 150_000_000))
    (gpu,) = intel.collect(5).gpus
    assert (gpu.power_mw, gpu.energy_joules) == (pytest.approx(30_000), pytest.approx(150))


def test_a_counter_that_falls_was_reset(tmp_path):
    plant(tmp_path, card(0))
    intel = Intel(tmp_path)
    intel.collect(0)
    plant(tmp_path, energy(7_000_000))
    assert intel.collect(5).gpus[0].energy_joules is None
    plant(tmp_path, energy(27_000_000))
    assert intel.collect(10).gpus[0].energy_joules == pytest.approx(20)


def test_the_older_driver_has_its_temperature_elsewhere(tmp_path):
    plant(tmp_path, card(0, **{f"{SENSORS}/temp1_input": 61_000, f"{SENSORS}/temp2_input": None}))
    assert Intel(tmp_path).collect(0).gpus[0].temperature_celsius == 61


def test_a_sleeping_card_is_not_woken_and_its_energy_is_not_lost(tmp_path):
    plant(tmp_path, card(0))
    intel = Intel(tmp_path)
    intel.collect(0)
    plant(tmp_path, card(0, power__runtime_status="suspended"))
    (gpu,) = intel.collect(5).gpus
    assert (gpu.power_mw, gpu.temperature_celsius) == (None, None)
    plant(tmp_path, card(0) | energy(5_000_000_000 + 60_000_000))
    assert intel.collect(10).gpus[0].energy_joules == pytest.approx(60)


def test_a_sensor_that_does_not_answer_leaves_the_other(tmp_path):
    plant(tmp_path, card(0))
    intel = Intel(tmp_path)
    intel.collect(0)
    break_file(tmp_path / "class/drm/card0/device" / SENSORS / "energy1_input")
    (gpu,) = intel.collect(5).gpus
    assert (gpu.power_mw, gpu.temperature_celsius) == (None, 47)


def test_cards_of_others_and_integrated_ones_are_left_out(tmp_path):
    plant(
        tmp_path,
        card(0, **{f"{SENSORS}/energy1_input": None}) | card(1, vendor="0x1002") | card(2),
    )
    assert [gpu.id for gpu in Intel(tmp_path).collect(0).gpus] == ["intel0"]


@pytest.mark.parametrize("tree", [{}, card(0, **{f"{SENSORS}/energy1_input": None})])
def test_without_a_discrete_card_there_is_no_such_source(tmp_path, tree):
    plant(tmp_path, tree)
    with pytest.raises(UnavailableError):
        Intel(tmp_path).collect(0)
