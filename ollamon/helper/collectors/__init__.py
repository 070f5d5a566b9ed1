"""One source, one file. Here is which of them this system may have, in order of preference."""

from ollamon.helper.collector import Collector
from ollamon.helper.collectors.amdgpu import Amdgpu
from ollamon.helper.collectors.hwmon import Hwmon
from ollamon.helper.collectors.ioreg import Ioreg
from ollamon.helper.collectors.nvidia import Nvidia
from ollamon.helper.collectors.rapl import Rapl
from ollamon.readings import System


def for_system(system: System) -> tuple[Collector, ...]:
    """Return fresh collectors; where two know a value, the first gives it."""
    match system:
        case System.LINUX:
            return (Rapl(), Hwmon(), Nvidia(), Amdgpu())
        case System.DARWIN:
            return (Ioreg(),)
        case System.OTHER:
            return (Nvidia(),)
