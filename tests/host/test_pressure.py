import re
import sys
from pathlib import Path

import pytest

from ollamon.host import pressure
from ollamon.host.pressure import Memorystatus, PressureReading, Psi

TEXT = """\
some avg10=12.34 avg60=4.56 avg300=1.00 total=123456
full avg10=99.00 avg60=0.00 avg300=0.00 total=0
"""


def test_psi_is_the_share_of_time_in_which_some_task_waited(tmp_path):
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "memory").write_text(TEXT)
    assert Psi(tmp_path).read() == PressureReading("psi", pytest.approx(0.1234))


def test_a_kernel_without_psi_is_unknown(tmp_path):
    assert Psi(tmp_path).read() is None


@pytest.mark.parametrize("text", ["", "full avg10=1.00 ", "some avg10=nan ", "some avg10=101.00 "])
def test_a_file_that_makes_no_sense_is_an_error(text):
    with pytest.raises(ValueError, match="makes no sense"):
        pressure.parse_psi(text)


def test_memorystatus_tells_what_is_available():
    asked = []

    def sysctl(name):
        asked.append(name)
        return {"kern.memorystatus_level": 63, "kern.memorystatus_vm_pressure_level": 2}[name]

    reading = PressureReading("memorystatus", pytest.approx(0.37), 1)
    assert Memorystatus(sysctl).read() == reading
    assert asked == ["kern.memorystatus_level", "kern.memorystatus_vm_pressure_level"]


@pytest.mark.parametrize(
    ("word", "level"), [(1, 0), (2, 1), (4, 2), (0, None), (3, None), (8, None), (None, None)]
)
def test_the_level_is_the_systems_own_word_and_a_new_word_is_unknown(word, level):
    assert pressure.parse_memorystatus(50, word).level == level


def test_a_kernel_that_does_not_tell_its_level_is_unknown():
    assert Memorystatus(lambda name: None).read() is None


@pytest.mark.parametrize("level", [-1, 101])
def test_a_level_that_is_no_percentage_is_an_error(level):
    with pytest.raises(ValueError, match="memorystatus_level"):
        Memorystatus(lambda name: level).read()


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no measure on this system")
def test_this_machine_can_be_read():
    reader = pressure.for_this_system()
    assert reader is not None
    reading = reader.read()
    assert reading is None or 0 <= reading.ratio <= 1


FILE = Path("/proc/pressure/memory")


def kernel_says():
    (percent,) = re.findall(r"some avg10=([0-9.]+)", FILE.read_text())
    return float(percent) / 100


@pytest.mark.skipif(not FILE.exists(), reason="this kernel does not measure it")
def test_the_pressure_of_this_machine_is_the_kernels():
    before, reading, after = kernel_says(), Psi().read(), kernel_says()
    assert reading is not None
    assert reading.source == "psi"
    # It is reckoned anew every two seconds.
    assert reading.ratio in (before, after)
