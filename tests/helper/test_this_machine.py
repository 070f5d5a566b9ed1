"""The sources of Linux against the real kernel: many machines lack most of them."""

import sys
from pathlib import Path

import pytest

from ollamon.helper.collector import DeniedError, FailedError, UnavailableError
from ollamon.helper.collectors.amdgpu import Amdgpu
from ollamon.helper.collectors.hwmon import Hwmon
from ollamon.helper.collectors.intel import Intel
from ollamon.helper.collectors.rapl import Rapl
from ollamon.helper.found import plausible

SYS = Path("/sys/class")
CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


def has_cpu_sensor():
    names = [path.read_text().strip() for path in SYS.glob("hwmon/hwmon*/name")]
    return any(name in CHIPS for name in names)


def has_package():
    names = [path.read_text() for path in SYS.glob("powercap/intel-rapl:*/name")]
    return any(name.startswith("package-") for name in names)


def has_card(vendor, sensor=""):
    return any(
        path.read_text().strip() == vendor and (not sensor or [*path.parent.glob(sensor)])
        for path in SYS.glob("drm/card[0-9]*/device/vendor")
    )


@pytest.mark.skipif(sys.platform != "linux", reason="these are Linux's")
@pytest.mark.parametrize(
    ("collector", "is_there"),
    [
        (Hwmon, has_cpu_sensor),
        (Rapl, has_package),
        (Amdgpu, lambda: has_card("0x1002")),
        (Intel, lambda: has_card("0x8086", "hwmon/hwmon*/energy1_input")),
    ],
    ids=["hwmon", "rapl", "amdgpu", "intel"],
)
def test_a_source_says_plausible_values_or_that_this_machine_lacks_it(collector, is_there):
    source = collector()
    try:
        source.collect(0.0)
        found = source.collect(5.0)
    except UnavailableError:
        assert not is_there()
    except (DeniedError, FailedError):
        assert is_there()
    else:
        assert is_there()
        assert plausible(found) == (found, 0)
