"""Memory pressure by the system's own measure: PSI on Linux, memorystatus on macOS.

The two are not comparable, so each names its source: PSI is the share of time in which some task
waited for memory, memorystatus the share of memory that cannot be had at once.
"""

import ctypes
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_SOME = re.compile(r"^some avg10=(\d{1,3}\.\d+) ", re.MULTILINE)
# DISPATCH_MEMORYPRESSURE_NORMAL, _WARN and _CRITICAL.
_LEVELS = {1: 0, 2: 1, 4: 2}
Sysctl = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class PressureReading:
    """Pressure from 0 to 1, and the measure that it comes from.

    Attributes:
        level: 0 normal, 1 warning, 2 critical, where the system has such words.
    """

    source: str
    ratio: float
    level: int | None = None


class Psi:
    """Reads `<proc>/pressure/memory`."""

    def __init__(self, proc: Path = PROC) -> None:
        self._path = proc / "pressure" / "memory"

    def read(self) -> PressureReading | None:
        """Return the pressure; None where the kernel does not measure it."""
        try:
            return parse_psi(self._path.read_text("ascii"))
        except OSError:
            # Built without CONFIG_PSI: no file. Switched off with psi=0: EOPNOTSUPP.
            return None


def parse_psi(text: str) -> PressureReading:
    """Read the kernel's text. Raises ValueError: it is not that."""
    match = _SOME.search(text)
    if match is None or not 0 <= float(match[1]) <= 100:
        raise ValueError("the memory pressure file makes no sense")
    return PressureReading("psi", float(match[1]) / 100)


class Memorystatus:
    """Reads `kern.memorystatus_level`, the percentage of memory that is available, and its word.

    Not `vm.memory_pressure`, which counts page scans; and the program memory_pressure is never run,
    because its options create pressure.
    """

    def __init__(self, sysctl: Sysctl | None = None) -> None:
        self._sysctl = _sysctl if sysctl is None else sysctl

    def read(self) -> PressureReading | None:
        """Return the pressure; None where the kernel does not tell it."""
        available = self._sysctl("kern.memorystatus_level")
        if available is None:
            return None
        return parse_memorystatus(available, self._sysctl("kern.memorystatus_vm_pressure_level"))


def parse_memorystatus(available: int, word: int | None) -> PressureReading:
    """Turn available percent into pressure. Raises ValueError: it is no percentage."""
    if not 0 <= available <= 100:
        raise ValueError(f"kern.memorystatus_level is {available}")
    level = None if word is None else _LEVELS.get(word)
    return PressureReading("memorystatus", (100 - available) / 100, level)


def _sysctl(name: str) -> int | None:
    value = ctypes.c_int()
    size = ctypes.c_size_t(ctypes.sizeof(value))
    library = ctypes.CDLL(None, use_errno=True)
    failed = library.sysctlbyname(
        name.encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return None if failed else value.value


def for_this_system() -> Psi | Memorystatus | None:
    """Return the reader that fits; None on other systems."""
    match sys.platform:
        case "linux":
            return Psi()
        case "darwin":
            return Memorystatus()
        case _:
            return None
