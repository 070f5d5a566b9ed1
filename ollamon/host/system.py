"""CPU use, memory and swap of this machine."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds of all cores since boot."""

    busy: float
    total: float


@dataclass(frozen=True, slots=True)
class SystemReading:
    """CPU times, and bytes of memory; swap is None where it cannot be read."""

    cpu: CpuTimes
    memory_total: int
    memory_used: int
    swap_used: int | None


def read() -> SystemReading:
    """Read everything once. Raises OSError or psutil.Error: the system does not answer."""
    memory = psutil.virtual_memory()
    try:
        swap = psutil.swap_memory().used
    except OSError:
        swap = None
    return SystemReading(
        cpu=parse_times(psutil.cpu_times()._asdict()),
        memory_total=memory.total,
        memory_used=memory.total - memory.available,
        swap_used=swap,
    )


def parse_times(times: dict[str, float]) -> CpuTimes:
    """Add what the system counts apart.

    Linux counts guests in `user` and `nice` too (proc(5)), and waiting for a disk is no work.
    """
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return CpuTimes(total - times["idle"] - times.get("iowait", 0.0), total)


def cpu_ratio(before: CpuTimes | None, after: CpuTimes) -> float | None:
    """Return the share of work between two readings, 0 to 1; None while it is unknown."""
    if before is None or after.total <= before.total:
        return None
    # `iowait` may fall (proc(5)), so that the parts do not quite add up.
    ratio = (after.busy - before.busy) / (after.total - before.total)
    return min(1.0, max(0.0, ratio))
