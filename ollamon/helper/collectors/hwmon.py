"""CPU temperature from the kernel's hardware monitors (Linux, no privilege)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ollamon.helper import sysfs
from ollamon.helper.collector import FailedError, UnavailableError
from ollamon.helper.found import Found
from ollamon.readings import Source

_CHIPS = frozenset({"coretemp", "k10temp", "zenpower", "cpu_thermal"})


@dataclass(frozen=True, slots=True)
class Sensor:
    """One temperature as the kernel tells it; None when it does not answer."""

    chip: str
    label: str
    millidegrees: int | None


class Hwmon:
    """Reads `<root>/class/hwmon`."""

    source = Source.HWMON
    least_interval_s = 0.0

    def __init__(self, root: Path = sysfs.ROOT) -> None:
        self._folder = root / "class" / "hwmon"

    def collect(self, now: float) -> Found:
        """See `Collector`."""
        return parse(self.read())

    def read(self) -> list[Sensor]:
        """Return every temperature of every CPU chip."""
        sensors = []
        for folder in sysfs.listed(self._folder, "hwmon*"):
            chip = sysfs.read_text(folder / "name") or ""
            if chip in _CHIPS:
                sensors += [_sensor(chip, path) for path in sysfs.listed(folder, "temp*_input")]
        return sensors


def _sensor(chip: str, path: Path) -> Sensor:
    label = sysfs.read_text(path.with_name(path.name.replace("_input", "_label")))
    return Sensor(chip, label or "", sysfs.read_number(path))


def parse(sensors: Iterable[Sensor]) -> Found:
    """Return the hottest CPU.

    Raises:
        UnavailableError: No sensor is a CPU's.
        FailedError: None of them answers.
    """
    chosen = list(_chosen(list(sensors)))
    if not chosen:
        raise UnavailableError("this system shows no CPU temperature")
    answers = [s.millidegrees for s in chosen if s.millidegrees is not None]
    if not answers:
        raise FailedError("no CPU temperature sensor answers")
    return Found(temperature_celsius=max(answers) / 1000)


def _chosen(sensors: list[Sensor]) -> Iterable[Sensor]:
    for sensor in sensors:
        match sensor.chip:
            case "coretemp":
                wanted = sensor.label.startswith("Package id")
            case "k10temp" | "zenpower":
                wanted = sensor.label == _die_label(sensor.chip, sensors)
            case _:
                wanted = True
        if wanted:
            yield sensor


def _die_label(chip: str, sensors: list[Sensor]) -> str:
    # Tctl is Tdie plus an offset of up to 27 degrees on some CPUs (kernel: hwmon/k10temp.rst).
    labels = {sensor.label for sensor in sensors if sensor.chip == chip}
    return "Tdie" if "Tdie" in labels else "Tctl"
