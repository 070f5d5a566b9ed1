"""Graphics cards as the kernel lists them, below a root that tests replace."""

import re
from pathlib import Path

from ollamon.helper import sysfs

_CARD = re.compile(r"card[0-9]+")


def cards(root: Path, vendor: str) -> list[Path]:
    """Return the device folder of every card of a PCI vendor, by the card's number."""
    return [
        path / "device"
        for path in sysfs.listed(root / "class" / "drm", "card*")
        if _CARD.fullmatch(path.name) and sysfs.read_text(path / "device" / "vendor") == vendor
    ]


def is_asleep(device: Path) -> bool:
    """Say whether reading its values would wake it, or wait for it."""
    return sysfs.read_text(device / "power" / "runtime_status") == "suspended"


def sensors(device: Path) -> Path:
    """Return the folder of its sensors, which need not exist."""
    return next(iter(sysfs.listed(device / "hwmon", "hwmon*")), device / "hwmon")
