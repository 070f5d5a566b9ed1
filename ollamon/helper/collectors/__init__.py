"""One source, one file. Here is which of them this system may have, in order of preference."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ollamon import sudo
from ollamon.helper.collector import Collector
from ollamon.helper.collectors.amdgpu import Amdgpu
from ollamon.helper.collectors.hwmon import Hwmon
from ollamon.helper.collectors.intel import Intel
from ollamon.helper.collectors.iohid import Iohid
from ollamon.helper.collectors.ioreg import Ioreg
from ollamon.helper.collectors.macmon import Macmon
from ollamon.helper.collectors.nvidia import Nvidia
from ollamon.helper.collectors.osx_cpu_temp import OsxCpuTemp
from ollamon.helper.collectors.powermetrics import Powermetrics
from ollamon.helper.collectors.rapl import Rapl
from ollamon.helper.follower import Follower
from ollamon.readings import Platform, System


def for_system(
    here: Platform, interval_s: float, counters: Mapping[str, int], root: Path
) -> Sequence[Collector | Follower]:
    """Return fresh sources; where two know a value, the first gives it.

    Args:
        here: This machine.
        interval_s: Seconds between two samples.
        counters: What was opened as root, see `Rapl`.
        root: Where the kernel shows its devices.
    """
    match here.system:
        case System.LINUX:
            return (Rapl(root, counters), Hwmon(root), Nvidia(), Amdgpu(root), Intel(root))
        case System.DARWIN:
            return _mac(here, interval_s)
        case System.OTHER:
            return (Nvidia(),)


def _mac(here: Platform, interval_s: float) -> Sequence[Collector | Follower]:
    prefix = () if os.geteuid() == 0 else sudo.SILENT
    powermetrics = Follower(Powermetrics(interval_s, here.arch, prefix))
    macmon = Follower(Macmon(interval_s), stands_in_for=powermetrics)
    return (powermetrics, Ioreg(), Iohid(), macmon, OsxCpuTemp())
