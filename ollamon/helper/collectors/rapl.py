"""CPU power and energy from RAPL, where its files may be read (Linux; Intel, and AMD since Zen).

The kernel lets root alone read them since CVE-2020-8694.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ollamon.helper import sysfs
from ollamon.helper.collector import DeniedError, FailedError, UnavailableError
from ollamon.helper.energy import Ledger, count
from ollamon.helper.found import Found
from ollamon.readings import Source

_MOST = 64
_DENIED = "only root and the group of energy_uj may read RAPL; run ollamon helper install"


@dataclass(frozen=True, slots=True)
class Counter:
    """One package's energy counter and its range, in microjoules."""

    energy: int | None
    range: int | None


class Rapl:
    """Reads `<root>/class/powercap`.

    Args:
        root: Where the kernel shows its devices.
        opened: Zone -> descriptor of its energy counter, opened while we were root.
    """

    source = Source.RAPL
    least_interval_s = 0.0

    def __init__(
        self, root: Path = sysfs.ROOT, opened: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._opened = opened
        self._folder = root / "class" / "powercap"
        self._ledgers: dict[str, Ledger] = {}

    def collect(self, now: float) -> Found:
        """See `Collector`."""
        self._ledgers = parse(self.read(), self._ledgers, now)
        return total(self._ledgers)

    def read(self) -> dict[str, Counter]:
        """Return the counter of every package by its zone.

        Raises:
            DeniedError: We may not read them.
        """
        counters = {}
        # intel-rapl-mmio:0 counts the same package again, and subzones are parts of one.
        for zone in sysfs.listed(self._folder, "intel-rapl:*"):
            if (sysfs.read_text(zone / "name") or "").startswith("package-"):
                counters[zone.name] = _read_counter(zone, self._opened.get(zone.name))
        return counters


def _read_counter(zone: Path, opened: int | None) -> Counter:
    path = zone / "energy_uj"
    try:
        data = sysfs.read_bytes(path) if opened is None else os.pread(opened, _MOST, 0)
        energy = sysfs.number(data.decode("ascii").strip())
    except PermissionError:
        raise DeniedError(_DENIED) from None
    except OSError:
        energy = None
    return Counter(energy, sysfs.read_number(zone / "max_energy_range_uj"))


def parse(
    counters: Mapping[str, Counter], before: Mapping[str, Ledger], now: float
) -> dict[str, Ledger]:
    """Return the ledger of every package.

    Raises:
        UnavailableError: There is no package.
        FailedError: No package answers.
    """
    if not counters:
        raise UnavailableError("this system shows no RAPL energy counters")
    if all(counter.energy is None for counter in counters.values()):
        raise FailedError("no RAPL energy counter answers")
    return {
        zone: count(
            before.get(zone, Ledger()),
            None if counter.energy is None else counter.energy / 1e6,
            now,
            wraps_at=None if counter.range is None else counter.range / 1e6,
        )
        for zone, counter in counters.items()
    }


def total(ledgers: Mapping[str, Ledger]) -> Found:
    """Add the packages; when one is unknown, so is the power of all."""
    powers = [ledger.power_mw for ledger in ledgers.values()]
    energies = [ledger.joules for ledger in ledgers.values() if ledger.joules is not None]
    known = [power for power in powers if power is not None]
    return Found(
        power_mw=sum(known) if len(known) == len(powers) else None,
        energy_joules=sum(energies) if energies else None,
    )
