import pytest

from ollamon.helper.collector import FailedError, UnavailableError
from ollamon.helper.collectors.hwmon import Hwmon
from tests.helper.trees import break_file, plant

INTEL = {
    "class/hwmon/hwmon0/name": "acpitz",
    "class/hwmon/hwmon0/temp1_input": 99000,
    "class/hwmon/hwmon1/name": "coretemp",
    "class/hwmon/hwmon1/temp1_input": 54000,
    "class/hwmon/hwmon1/temp1_label": "Package id 0",
    "class/hwmon/hwmon1/temp2_input": 61000,
    "class/hwmon/hwmon1/temp2_label": "Core 0",
    "class/hwmon/hwmon10/name": "coretemp",
    "class/hwmon/hwmon10/temp1_input": 57500,
    "class/hwmon/hwmon10/temp1_label": "Package id 1",
}
AMD = {
    "class/hwmon/hwmon2/name": "k10temp",
    "class/hwmon/hwmon2/temp1_input": 72250,
    "class/hwmon/hwmon2/temp1_label": "Tctl",
    "class/hwmon/hwmon2/temp3_input": 50125,
    "class/hwmon/hwmon2/temp3_label": "Tccd1",
}
AMD_WITH_OFFSET = AMD | {
    "class/hwmon/hwmon2/temp2_input": 45250,
    "class/hwmon/hwmon2/temp2_label": "Tdie",
}
ARM = {"class/hwmon/hwmon0/name": "cpu_thermal", "class/hwmon/hwmon0/temp1_input": 48312}


@pytest.mark.parametrize(
    ("tree", "celsius"),
    [(INTEL, 57.5), (AMD, 72.25), (AMD_WITH_OFFSET, 45.25), (ARM, 48.312)],
    ids=["hottest Intel package", "AMD", "AMD whose Tctl has an offset", "ARM"],
)
def test_the_temperature_is_the_hottest_cpu(tmp_path, tree, celsius):
    plant(tmp_path, tree)
    assert Hwmon(tmp_path).collect(0).temperature_celsius == celsius


@pytest.mark.parametrize("tree", [{}, {"class/hwmon/hwmon0/name": "nvme"}])
def test_a_system_without_a_cpu_sensor_has_no_such_source(tmp_path, tree):
    plant(tmp_path, tree)
    with pytest.raises(UnavailableError):
        Hwmon(tmp_path).collect(0)


def test_a_sensor_that_does_not_answer_leaves_the_others(tmp_path):
    plant(tmp_path, INTEL)
    break_file(tmp_path / "class/hwmon/hwmon10/temp1_input")
    assert Hwmon(tmp_path).collect(0).temperature_celsius == 54.0


def test_when_no_sensor_answers_the_source_has_failed(tmp_path):
    plant(tmp_path, ARM)
    break_file(tmp_path / "class/hwmon/hwmon0/temp1_input")
    with pytest.raises(FailedError):
        Hwmon(tmp_path).collect(0)


@pytest.mark.parametrize("text", ["", "hot", "1e3", "5" * 40, b"\xff\xfe"])
def test_a_file_that_holds_no_number_is_no_answer(tmp_path, text):
    plant(tmp_path, ARM | {"class/hwmon/hwmon0/temp1_input": text})
    with pytest.raises(FailedError):
        Hwmon(tmp_path).collect(0)
