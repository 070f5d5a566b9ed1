"""A helper that reads every kind of source, all of them played: PORT INTERVAL_S FOLDER.

The kernel's files are a tree, NVML is a module of ours and powermetrics a program of ours, so what
is measured is the helper and not a driver.
"""

import sys
from pathlib import Path

from ollamon.helper.collectors.amdgpu import Amdgpu
from ollamon.helper.collectors.hwmon import Hwmon
from ollamon.helper.collectors.intel import Intel
from ollamon.helper.collectors.nvidia import Nvidia
from ollamon.helper.collectors.powermetrics import Powermetrics
from ollamon.helper.collectors.rapl import Rapl
from ollamon.helper.follower import Follower
from tests.fakes import powermetrics
from tests.fakes.serve_helper import serve
from tests.helper.test_nvidia import FakeNvml
from tests.helper.trees import plant

RAPL = "class/powercap/intel-rapl"
DEVICE = "class/drm/card{}/device"
TREE = {
    **{f"{RAPL}:{zone}/name": f"package-{zone}" for zone in (0, 1)},
    **{f"{RAPL}:{zone}/energy_uj": 5_000_000 for zone in (0, 1)},
    **{f"{RAPL}:{zone}/max_energy_range_uj": 262_143_328_850 for zone in (0, 1)},
    "class/hwmon/hwmon1/name": "coretemp",
    "class/hwmon/hwmon1/temp1_input": 54_000,
    "class/hwmon/hwmon1/temp1_label": "Package id 0",
    f"{DEVICE.format(0)}/vendor": "0x1002",
    f"{DEVICE.format(0)}/gpu_busy_percent": 37,
    f"{DEVICE.format(0)}/mem_info_vram_used": 2**32,
    f"{DEVICE.format(0)}/mem_info_vram_total": 2**34,
    f"{DEVICE.format(0)}/gpu_metrics": b"\x78\x00\x01\x03" + bytes(116),
    f"{DEVICE.format(0)}/hwmon/hwmon4/power1_average": 41_000_000,
    f"{DEVICE.format(0)}/hwmon/hwmon4/temp1_input": 52_000,
    f"{DEVICE.format(1)}/vendor": "0x8086",
    f"{DEVICE.format(1)}/hwmon/hwmon5/energy1_input": 7_000_000,
    f"{DEVICE.format(1)}/hwmon/hwmon5/temp2_input": 47_000,
}


def main(port: int, interval_s: float, folder: Path) -> None:
    """Serve until the end of stdin."""
    plant(folder, TREE)
    nvml = FakeNvml()
    nvml.count, nvml.running = 2, [(4242, 2**30)]
    pace_s = max(2.0, interval_s)
    program = powermetrics.program(folder / "powermetrics", "stream", pace_s=pace_s)
    sources = [
        Rapl(folder),
        Hwmon(folder),
        Nvidia(lambda: nvml),
        Amdgpu(folder),
        Intel(folder),
        Follower(Powermetrics(interval_s, "arm64", (), str(program))),
    ]
    serve(port, sources, interval_s)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
