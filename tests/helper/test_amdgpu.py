import pytest

from ollamon.helper.collector import UnavailableError
from ollamon.helper.collectors.amdgpu import Amdgpu
from tests.helper.trees import break_file, plant


def card(index, **files):
    device = f"class/drm/card{index}/device"
    content = {
        "vendor": "0x1002",
        "gpu_busy_percent": 37,
        "mem_info_vram_used": 4_294_967_296,
        "mem_info_vram_total": 17_163_091_968,
        "gpu_metrics": b"\x78\x00\x01\x03" + bytes(116),
        "hwmon/hwmon4/power1_average": 41_000_000,
        "hwmon/hwmon4/temp1_input": 52_000,
        "power/runtime_status": "active",
        **{name.replace("__", "/"): value for name, value in files.items()},
    }
    return {f"{device}/{name}": value for name, value in content.items() if value is not None}


def test_a_card_is_read_whole(tmp_path):
    plant(tmp_path, card(0) | {"class/drm/card0-HDMI-A-1/status": "connected"})
    (gpu,) = Amdgpu(tmp_path).collect(0).gpus
    assert (gpu.id, gpu.vendor, gpu.name, gpu.integrated) == ("amd0", "amd", "AMD GPU", False)
    assert (gpu.utilization_percent, gpu.power_mw, gpu.temperature_celsius) == (37, 41_000, 52)
    assert (gpu.memory_used_bytes, gpu.memory_total_bytes) == (4_294_967_296, 17_163_091_968)
    assert gpu.energy_joules is None


def test_energy_is_the_mean_power_times_the_time(tmp_path):
    amdgpu = Amdgpu(tmp_path)
    plant(tmp_path, card(0, hwmon__hwmon4__power1_average=10_000_000))
    amdgpu.collect(0)
    plant(tmp_path, card(0, hwmon__hwmon4__power1_average=30_000_000))
    assert amdgpu.collect(5).gpus[0].energy_joules == pytest.approx(100)


def test_time_asleep_is_not_counted(tmp_path):
    amdgpu = Amdgpu(tmp_path)
    plant(tmp_path, card(0))
    amdgpu.collect(0)
    assert amdgpu.collect(3600).gpus[0].energy_joules is None
    assert amdgpu.collect(3605).gpus[0].energy_joules == pytest.approx(205)


@pytest.mark.parametrize("version", [2, 3])
def test_the_version_of_its_table_tells_an_apu(tmp_path, version):
    plant(tmp_path, card(0, gpu_metrics=bytes([0x78, 0, version, 0]) + bytes(116)))
    assert Amdgpu(tmp_path).collect(0).gpus[0].integrated is True


@pytest.mark.parametrize("table", [b"", b"\x01", None])
def test_without_its_table_nobody_knows_whether_it_is_an_apu(tmp_path, table):
    plant(tmp_path, card(0, gpu_metrics=table))
    assert Amdgpu(tmp_path).collect(0).gpus[0].integrated is None


def test_a_driver_without_an_average_tells_its_moment(tmp_path):
    plant(
        tmp_path,
        card(0, hwmon__hwmon4__power1_average=None, hwmon__hwmon4__power1_input=7_500_000),
    )
    assert Amdgpu(tmp_path).collect(0).gpus[0].power_mw == 7500


def test_values_of_a_busy_card_are_unknown_and_the_rest_stays(tmp_path):
    plant(tmp_path, card(0))
    device = tmp_path / "class/drm/card0/device"
    break_file(device / "gpu_busy_percent")
    break_file(device / "hwmon/hwmon4/power1_average")
    (gpu,) = Amdgpu(tmp_path).collect(0).gpus
    assert (gpu.utilization_percent, gpu.power_mw, gpu.temperature_celsius) == (None, None, 52)


def test_a_sleeping_card_is_not_woken(tmp_path):
    plant(tmp_path, card(0, power__runtime_status="suspended"))
    (gpu,) = Amdgpu(tmp_path).collect(0).gpus
    assert (gpu.utilization_percent, gpu.power_mw, gpu.memory_used_bytes) == (None, None, None)


def test_an_apu_that_sleeps_is_still_one(tmp_path):
    amdgpu = Amdgpu(tmp_path)
    plant(tmp_path, card(0, gpu_metrics=bytes([0x78, 0, 2, 0]) + bytes(116)))
    amdgpu.collect(0)
    plant(tmp_path, card(0, power__runtime_status="suspended"))
    assert amdgpu.collect(5).gpus[0].integrated is True


def test_cards_are_numbered_by_themselves_and_foreign_ones_left_out(tmp_path):
    plant(tmp_path, card(0, vendor="0x10de") | card(2) | card(10, product_name="Radeon Pro"))
    found = Amdgpu(tmp_path).collect(0).gpus
    assert [(gpu.id, gpu.name) for gpu in found] == [("amd0", "AMD GPU"), ("amd1", "Radeon Pro")]


def test_without_a_card_there_is_no_such_source(tmp_path):
    with pytest.raises(UnavailableError):
        Amdgpu(tmp_path).collect(0)
