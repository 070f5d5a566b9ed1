"""What one source saw at once, and which of it is plausible, without I/O."""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from ollamon.readings import RANGES, Gpu, Pressure, Vendor

_Values = TypeVar("_Values", "Found", Gpu)

APPLE_GPU = Gpu(f"{Vendor.APPLE}0", Vendor.APPLE, "Apple GPU", integrated=True)
"""The one of an Apple Silicon machine, before any source said something of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Values of one source; unknown is None. Power in mW, energy in joules since the start."""

    gpus: tuple[Gpu, ...] = ()
    power_mw: float | None = None
    energy_joules: float | None = None
    temperature_celsius: float | None = None
    ane_power_mw: float | None = None
    ane_energy_joules: float | None = None
    combined_power_mw: float | None = None
    pressure: Pressure | None = None


def plausible(found: Found) -> tuple[Found, int]:
    """Return the values that lie in their ranges, and how many did not."""
    checked, dropped = _in_range(found)
    gpus = [_in_range(gpu) for gpu in found.gpus]
    checked = replace(checked, gpus=tuple(gpu for gpu, _ in gpus))
    return checked, dropped + sum(count for _, count in gpus)


def _in_range(values: _Values) -> tuple[_Values, int]:
    wrong: dict[str, Any] = {
        field.name: None
        for field in fields(values)
        if field.name in RANGES
        and (value := getattr(values, field.name)) is not None
        and not RANGES[field.name].holds(value)
    }
    return replace(values, **wrong), len(wrong)
