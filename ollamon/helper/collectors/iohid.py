"""CPU and GPU temperature of Apple Silicon from its HID sensors (macOS, no privilege).

The names are those of M1 and M2 (node_exporter: collector/thermal_darwin_arm64.go); what M3 to M5
call them was not seen.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ollamon.helper import hid
from ollamon.helper.collector import FailedError, UnavailableError
from ollamon.helper.found import APPLE_GPU, Found
from ollamon.helper.hid import Sensor
from ollamon.readings import RANGES, Gpu, Source

# `PMU tcal` is a constant, for calibration.
_CPU = re.compile(r"[pe]ACC MTR Temp Sensor\d+|PMU tdie\d+")
_GPU = re.compile(r"GPU MTR Temp Sensor\d+")
_PLAUSIBLE = RANGES["temperature_celsius"]


class Iohid:
    """Reads the sensors.

    Args:
        read: Returns all of them. Raises OSError: this system lacks the frameworks.
    """

    source = Source.IOHID
    least_interval_s = 0.0

    def __init__(self, read: Callable[[], Sequence[Sensor]] = hid.read) -> None:
        self._read = read

    def collect(self, now: float) -> Found:
        """See `Collector`."""
        try:
            sensors = self._read()
        except (OSError, AttributeError):
            raise UnavailableError("this system has no HID temperature sensors") from None
        return parse(sensors)


def parse(sensors: Sequence[Sensor]) -> Found:
    """Return the hottest CPU and the hottest GPU sensor.

    Raises:
        UnavailableError: No sensor has a name that we know.
        FailedError: None of them tells a temperature.
    """
    cpu = [sensor.celsius for sensor in sensors if _CPU.fullmatch(sensor.name)]
    gpu = [sensor.celsius for sensor in sensors if _GPU.fullmatch(sensor.name)]
    if not cpu and not gpu:
        raise UnavailableError("no HID sensor has a name that is known to be a CPU's or a GPU's")
    hottest_cpu, hottest_gpu = _hottest(cpu), _hottest(gpu)
    if hottest_cpu is None and hottest_gpu is None:
        raise FailedError("no HID temperature sensor answers")
    return Found(temperature_celsius=hottest_cpu, gpus=_gpus(hottest_gpu))


def _hottest(values: Iterable[float | None]) -> float | None:
    # A sensor of a cluster that is switched off tells 0 or nonsense.
    known = [v for v in values if v is not None and math.isfinite(v) and _PLAUSIBLE.holds(v)]
    return max(known, default=None)


def _gpus(celsius: float | None) -> tuple[Gpu, ...]:
    return () if celsius is None else (replace(APPLE_GPU, temperature_celsius=celsius),)
