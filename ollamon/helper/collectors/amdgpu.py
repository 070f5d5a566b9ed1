"""AMD GPUs from the amdgpu driver's files (Linux, no privilege)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ollamon.helper import drm, sysfs
from ollamon.helper.collector import UnavailableError
from ollamon.helper.energy import Ledger, integrate
from ollamon.helper.found import Found
from ollamon.readings import Gpu, Source, Vendor

_AMD = "0x1002"


@dataclass(frozen=True, slots=True)
class Card:
    """One card as its files tell it; None when a file is missing or the card sleeps."""

    name: str | None
    metrics_format: int | None
    busy_percent: int | None
    power_uw: int | None
    millidegrees: int | None
    vram_used: int | None
    vram_total: int | None


class Amdgpu:
    """Reads `<root>/class/drm/card*/device`."""

    source = Source.AMDGPU
    least_interval_s = 0.0

    def __init__(self, root: Path = sysfs.ROOT) -> None:
        self._root = root
        self._ledgers: dict[int, Ledger] = {}
        # What a card is does not change while it sleeps and does not say.
        self._formats: dict[Path, int] = {}

    def collect(self, now: float) -> Found:
        """See `Collector`."""
        cards = self.read()
        self._ledgers = energies(cards, self._ledgers, now)
        return parse(cards, self._ledgers)

    def read(self) -> list[Card]:
        """Return every AMD card, by its number."""
        return [
            _read_card(device, self._format_of(device)) for device in drm.cards(self._root, _AMD)
        ]

    def _format_of(self, device: Path) -> int | None:
        found = None if drm.is_asleep(device) else _metrics_format(device)
        if found is not None:
            self._formats[device] = found
        return self._formats.get(device)


def _read_card(device: Path, metrics_format: int | None) -> Card:
    asleep, sensors = drm.is_asleep(device), drm.sensors(device)

    def value(path: Path) -> int | None:
        return None if asleep else sysfs.read_number(path)

    power = value(sensors / "power1_average")
    return Card(
        name=sysfs.read_text(device / "product_name"),
        metrics_format=metrics_format,
        busy_percent=value(device / "gpu_busy_percent"),
        power_uw=value(sensors / "power1_input") if power is None else power,
        millidegrees=value(sensors / "temp1_input"),
        vram_used=value(device / "mem_info_vram_used"),
        vram_total=value(device / "mem_info_vram_total"),
    )


def _metrics_format(device: Path) -> int | None:
    try:
        header = sysfs.read_bytes(device / "gpu_metrics")
    except OSError:
        return None
    return header[2] if len(header) > 3 else None


def energies(cards: Sequence[Card], before: Mapping[int, Ledger], now: float) -> dict[int, Ledger]:
    """Return the ledger of every card, integrated from its power."""
    return {
        index: integrate(
            before.get(index, Ledger()),
            None if card.power_uw is None else card.power_uw / 1000,
            now,
        )
        for index, card in enumerate(cards)
    }


def parse(cards: Sequence[Card], ledgers: Mapping[int, Ledger]) -> Found:
    """Return the GPUs.

    Raises:
        UnavailableError: There is none.
    """
    if not cards:
        raise UnavailableError("this system has no AMD GPU")
    return Found(gpus=tuple(_gpu(i, card, ledgers[i]) for i, card in enumerate(cards)))


def _gpu(index: int, card: Card, ledger: Ledger) -> Gpu:
    return Gpu(
        id=f"{Vendor.AMD}{index}",
        vendor=Vendor.AMD,
        name=card.name or "AMD GPU",
        # Version 1 of the table is a card's, 2 and 3 an APU's (kernel: kgd_pp_interface.h).
        integrated=None if card.metrics_format is None else card.metrics_format >= 2,
        utilization_percent=card.busy_percent,
        power_mw=ledger.power_mw,
        energy_joules=ledger.joules,
        temperature_celsius=None if card.millidegrees is None else card.millidegrees / 1000,
        memory_used_bytes=card.vram_used,
        memory_total_bytes=card.vram_total,
    )
