"""What the disks of this machine read and wrote."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

SYS_BLOCK = Path("/sys/block")
# What stands on other disks would be counted twice.
_VIRTUAL = re.compile(r"(loop|ram|zram|dm-|md)")


@dataclass(frozen=True, slots=True)
class Counters:
    """Bytes and operations, of one disk since boot or of all together since a start."""

    read_bytes: int = 0
    written_bytes: int = 0
    reads: int = 0
    writes: int = 0

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(
            self.read_bytes + other.read_bytes,
            self.written_bytes + other.written_bytes,
            self.reads + other.reads,
            self.writes + other.writes,
        )


class Disks:
    """Reads the counters of real disks.

    Args:
        sys_block: The kernel's folder of block devices (Linux); None: every disk is real.
    """

    def __init__(self, sys_block: Path | None = None) -> None:
        linux = SYS_BLOCK if sys.platform == "linux" else None
        self._sys_block = linux if sys_block is None else sys_block

    def read(self) -> dict[str, Counters]:
        """Return the counters by disk. Raises OSError: the system does not answer."""
        # We look at differences ourselves; psutil's own memory of earlier values is not needed.
        found = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        return {
            name: Counters(item.read_bytes, item.write_bytes, item.read_count, item.write_count)
            for name, item in found.items()
            if self._is_real(name)
        }

    def _is_real(self, name: str) -> bool:
        if self._sys_block is None:
            return True
        # Only a whole disk of hardware has a device: no partition, no layer on other disks.
        return _VIRTUAL.match(name) is None and (self._sys_block / name / "device").exists()


def delta(before: Mapping[str, Counters] | None, after: Mapping[str, Counters]) -> Counters | None:
    """Return what happened between two readings; None while it is unknown.

    A disk that came or whose counters fell (it was replaced) begins anew.
    """
    if before is None or not after:
        return None
    steps = [_step(before[name], counters) for name, counters in after.items() if name in before]
    return sum(steps, Counters())


def _step(before: Counters, after: Counters) -> Counters:
    return Counters(
        max(0, after.read_bytes - before.read_bytes),
        max(0, after.written_bytes - before.written_bytes),
        max(0, after.reads - before.reads),
        max(0, after.writes - before.writes),
    )
