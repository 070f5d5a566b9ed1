"""What one document of powermetrics says of one interval, without I/O.

Unknown is None. Energy is mJ, power mW; the table of keys is in docs/hardware.md.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ollamon.readings import Pressure

# A part of the chip that idled less than this worked, so that it drew energy.
IDLE = 0.99
_MOST_MHZ = 20_000


@dataclass(frozen=True, slots=True)
class Draw:
    """What one part of the chip drew.

    Attributes:
        energy_mj: In the interval.
        power_mw: The interval's mean as powermetrics tells it.
        is_busy: The part worked, so that an energy of 0 is not true.
    """

    energy_mj: float | None = None
    power_mw: float | None = None
    is_busy: bool = False

    def mean_mw(self, elapsed_s: float | None) -> float | None:
        """The power, told or reckoned from the energy."""
        if self.power_mw is not None:
            return self.power_mw
        return self.energy_mj / elapsed_s if self.energy_mj is not None and elapsed_s else None


@dataclass(frozen=True, slots=True)
class Sample:
    """One interval."""

    elapsed_s: float | None = None
    is_intel: bool = False
    gpu_percent: float | None = None
    gpu_mhz: float | None = None
    gpu: Draw = field(default_factory=Draw)
    cpu: Draw = field(default_factory=Draw)
    ane: Draw = field(default_factory=Draw)
    combined_mw: float | None = None
    pressure: Pressure | None = None
    cpu_celsius: float | None = None
    gpu_celsius: float | None = None


def extract(document: Mapping[str, object]) -> Sample:
    """Read a document; every block may be missing."""
    processor = _table(document, "processor")
    is_intel = "package_watts" in processor or "GPU" in document
    read = _intel if is_intel else _apple
    return read(document, processor)


def _apple(document: Mapping[str, object], processor: Mapping[str, object]) -> Sample:
    gpu = _table(document, "gpu")
    idle = _ratio(gpu.get("idle_ratio"))
    return Sample(
        elapsed_s=_elapsed_s(document),
        # Not idle_ns / elapsed_ns: the GPU's window is not the sample's.
        gpu_percent=None if idle is None else 100 * (1 - idle),
        gpu_mhz=_megahertz(gpu.get("freq_hz")),
        gpu=Draw(
            _first(number(processor.get("gpu_energy")), number(gpu.get("gpu_energy"))),
            number(processor.get("gpu_power")),
            _worked(gpu),
        ),
        cpu=Draw(
            number(processor.get("cpu_energy")),
            number(processor.get("cpu_power")),
            any(_worked(cluster) for cluster in _tables(processor.get("clusters"))),
        ),
        ane=Draw(number(processor.get("ane_energy")), number(processor.get("ane_power"))),
        combined_mw=number(processor.get("combined_power")),
        pressure=pressure_of(document.get("thermal_pressure")),
    )


def _intel(document: Mapping[str, object], processor: Mapping[str, object]) -> Sample:
    """Read the layout of Intel Macs: powers are W, and the GPU's ratio has a padded name."""
    gpu = next(_tables(document.get("GPU")), {})
    counters = _table(gpu, "misc_counters")
    busy = next((v for k, v in counters.items() if _plain(k) == "GPU Busy"), None)
    ratio = _ratio(busy)
    smc = _table(document, "smc")
    watts = _first(number(processor.get("cpu_watts")), number(processor.get("package_watts")))
    return Sample(
        elapsed_s=_elapsed_s(document),
        is_intel=True,
        gpu_percent=None if ratio is None else 100 * ratio,
        gpu_mhz=_megahertz(gpu.get("freq_mhz")),
        gpu=Draw(power_mw=_milli(number(processor.get("igpu_watts")))),
        cpu=Draw(power_mw=_milli(watts)),
        pressure=pressure_of(document.get("thermal_pressure")),
        cpu_celsius=number(smc.get("cpu_die")),
        gpu_celsius=number(smc.get("gpu_die")),
    )


def number(value: object) -> float | None:
    """Return a number that is finite and not negative, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def pressure_of(word: object) -> Pressure | None:
    """Return the thermal pressure; a word that macOS did not have so far is None."""
    known = {str(pressure): pressure for pressure in Pressure}
    return known.get(word.lower()) if isinstance(word, str) else None


def _elapsed_s(document: Mapping[str, object]) -> float | None:
    elapsed = number(document.get("elapsed_ns"))
    return elapsed / 1e9 if elapsed else None


def _ratio(value: object) -> float | None:
    """Return a share from 0 to 1; rounding may carry it a little beyond."""
    found = number(value)
    return None if found is None or found > 1.001 else min(1.0, found)


def _megahertz(value: object) -> float | None:
    # `freq_hz` holds MHz on Apple Silicon; one day it may hold what its name says.
    found = number(value)
    return found / 1e6 if found is not None and found > _MOST_MHZ else found


def _worked(part: Mapping[str, object]) -> bool:
    idle = _ratio(part.get("idle_ratio"))
    return idle is not None and idle < IDLE


def _table(holder: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def _tables(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, Sequence):
        yield from (item for item in value if isinstance(item, dict))


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _milli(watts: float | None) -> float | None:
    return None if watts is None else 1000 * watts


def _plain(key: object) -> str:
    return str(key).replace(":", " ").strip()
