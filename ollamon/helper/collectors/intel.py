"""Intel's discrete GPUs from the sensors of the i915 and xe drivers (Linux, no privilege).

An integrated GPU has no such sensors: its energy is in that of the CPU package. What the driver
tells of load needs root, so there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ollamon.helper import drm, sysfs
from ollamon.helper.collector import UnavailableError
from ollamon.helper.energy import Ledger, count
from ollamon.helper.found import Found
from ollamon.readings import Gpu, Source, Vendor

_INTEL = "0x8086"
# temp2 is the package of xe, which has no temp1; energy1 is the whole card in both.
_TEMPERATURES = ("temp1_input", "temp2_input")


@dataclass(frozen=True, slots=True)
class Card:
    """One card; None where a file is missing or does not answer."""

    energy_uj: int | None
    millidegrees: int | None


class Intel:
    """Reads `<root>/class/drm/card*/device/hwmon`."""

    source = Source.INTEL
    least_interval_s = 0.0

    def __init__(self, root: Path = sysfs.ROOT) -> None:
        self._root = root
        self._ledgers: dict[Path, Ledger] = {}

    def collect(self, now: float) -> Found:
        """See `Collector`."""
        cards = self.read()
        if not cards:
            raise UnavailableError("this system has no discrete Intel GPU")
        self._ledgers = energies(cards, self._ledgers, now)
        return parse(cards, self._ledgers)

    def read(self) -> dict[Path, Card]:
        """Return every card that has an energy counter."""
        return {
            device: _read_card(device)
            for device in drm.cards(self._root, _INTEL)
            if (drm.sensors(device) / "energy1_input").exists()
        }


def _read_card(device: Path) -> Card:
    if drm.is_asleep(device):
        return Card(None, None)
    folder = drm.sensors(device)
    heats = (sysfs.read_number(folder / name) for name in _TEMPERATURES)
    return Card(
        sysfs.read_number(folder / "energy1_input"),
        next((heat for heat in heats if heat is not None), None),
    )


def energies(
    cards: Mapping[Path, Card], before: Mapping[Path, Ledger], now: float
) -> dict[Path, Ledger]:
    """Return the ledger of every card. A counter that falls was reset."""
    return {
        device: count(
            before.get(device, Ledger()),
            None if card.energy_uj is None else card.energy_uj / 1e6,
            now,
        )
        for device, card in cards.items()
    }


def parse(cards: Mapping[Path, Card], ledgers: Mapping[Path, Ledger]) -> Found:
    """Return the GPUs."""
    return Found(
        gpus=tuple(
            Gpu(
                id=f"{Vendor.INTEL}{index}",
                vendor=Vendor.INTEL,
                name="Intel GPU",
                integrated=False,
                power_mw=ledgers[device].power_mw,
                energy_joules=ledgers[device].joules,
                temperature_celsius=None if card.millidegrees is None else card.millidegrees / 1000,
            )
            for index, (device, card) in enumerate(cards.items())
        )
    )
