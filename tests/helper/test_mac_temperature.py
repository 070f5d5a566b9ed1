import math

import pytest

from ollamon.helper import hid
from ollamon.helper.collector import FailedError, UnavailableError
from ollamon.helper.collectors import iohid, osx_cpu_temp
from ollamon.helper.collectors.iohid import Iohid
from ollamon.helper.collectors.osx_cpu_temp import OsxCpuTemp
from ollamon.helper.hid import Sensor


def test_the_hottest_sensor_of_each_kind_counts():
    found = iohid.parse(
        [
            Sensor("pACC MTR Temp Sensor0", 61.5),
            Sensor("eACC MTR Temp Sensor3", 48.0),
            Sensor("PMU tdie2", 63.0),
            Sensor("PMU tcal", 51.9),
            Sensor("GPU MTR Temp Sensor1", 44.0),
            Sensor("NAND CH0 temp", 99.0),
        ]
    )
    assert found.temperature_celsius == 63
    assert found.gpus[0].temperature_celsius == 44


def test_a_sensor_that_tells_nothing_is_no_0():
    sensors = [Sensor("PMU tdie1", v) for v in (0.0, math.nan, None, -5.0)]
    with pytest.raises(FailedError):
        iohid.parse(sensors)
    assert iohid.parse([*sensors, Sensor("PMU tdie2", 40.0)]).temperature_celsius == 40


def test_names_that_are_not_known_are_unavailable():
    with pytest.raises(UnavailableError):
        iohid.parse([Sensor("PMU tcal", 51.9)])


class Calls:
    """IOKit with two sensors, that counts what is made and released."""

    names = ("PMU tdie1", "PMU tcal")

    def __init__(self):
        self.alive = 0

    def make(self, *_):
        self.alive += 1
        return 1

    def __getattr__(self, name):
        return self.make if "Create" in name or "Copy" in name else lambda *_: 1

    def CFRelease(self, thing):  # noqa: N802
        self.alive -= 1

    def CFArrayGetCount(self, array):  # noqa: N802
        return len(self.names)

    def CFStringGetCString(self, string, buffer, size, encoding):  # noqa: N802
        buffer.value = b"PMU tdie1"
        return 1

    def IOHIDEventGetFloatValue(self, event, field):  # noqa: N802
        assert field == 15 << 16
        return 47.25


def test_everything_that_is_made_is_released():
    calls = Calls()
    assert hid.read_with(calls) == [Sensor("PMU tdie1", 47.25)] * 2
    assert calls.alive == 0


def test_a_system_without_the_frameworks_is_unavailable():
    def read():
        raise OSError("no such image")

    with pytest.raises(UnavailableError):
        Iohid(read).collect(0)


@pytest.mark.parametrize(("text", "celsius"), [("61.2\N{DEGREE SIGN}C\n", 61.2), ("0.0 C", None)])
def test_osx_cpu_temp(text, celsius):
    assert osx_cpu_temp.parse(text).temperature_celsius == celsius


def test_osx_cpu_temp_that_makes_no_sense():
    with pytest.raises(ValueError, match="no temperature"):
        osx_cpu_temp.parse("Could not open SMC")


def test_osx_cpu_temp_is_run(tmp_path, monkeypatch):
    program = tmp_path / "osx-cpu-temp"
    program.write_text("#!/bin/sh\necho '61.2 C'\n")
    program.chmod(0o755)
    monkeypatch.setattr("os.geteuid", lambda: 501)
    assert OsxCpuTemp((tmp_path,)).collect(0).temperature_celsius == 61.2
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(UnavailableError):
        OsxCpuTemp((tmp_path,)).collect(0)
