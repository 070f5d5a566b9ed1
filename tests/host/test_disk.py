import sys
from pathlib import Path

import pytest

from ollamon.host import disk
from ollamon.host.disk import Counters, Disks


def test_this_machine_can_be_read():
    for name, counters in Disks().read().items():
        assert not name.startswith(("loop", "dm-", "zram"))
        assert counters.read_bytes >= 0


def kernel_says():
    """Bytes read and written by device, from the kernel's own table of sectors of 512 bytes."""
    rows = [line.split() for line in Path("/proc/diskstats").read_text().splitlines()]
    return {row[2]: (512 * int(row[5]), 512 * int(row[9])) for row in rows}


@pytest.mark.skipif(sys.platform != "linux", reason="the table is Linux's")
def test_the_counters_of_this_machine_are_the_kernels():
    before, read, after = kernel_says(), Disks().read(), kernel_says()
    real = [name for name in before if Path(f"/sys/block/{name}/device").exists()]
    assert sorted(read) == sorted(name for name in real if not name.startswith("loop"))
    for name, counters in read.items():
        assert before[name][0] <= counters.read_bytes <= after[name][0]
        assert before[name][1] <= counters.written_bytes <= after[name][1]


def test_only_disks_of_hardware_count(tmp_path):
    for name in ("sda/device", "nvme0n1/device", "dm-0/device", "md0", "loop0", "zram0", "sdb"):
        (tmp_path / name).mkdir(parents=True)
    disks = Disks(tmp_path)
    names = ["sda", "sda1", "nvme0n1", "nvme0n1p1", "dm-0", "md0", "md127", "loop0", "zram0", "sdb"]
    assert [name for name in names if disks._is_real(name)] == ["sda", "nvme0n1"]


def test_the_first_reading_tells_nothing():
    assert disk.delta(None, {"sda": Counters(1, 2, 3, 4)}) is None


def test_a_machine_without_disks_is_unknown():
    assert disk.delta({}, {}) is None


def test_what_happened_is_the_difference_summed_over_disks():
    before = {"sda": Counters(100, 200, 3, 4), "sdb": Counters(1000, 2000, 30, 40)}
    after = {"sda": Counters(110, 220, 4, 6), "sdb": Counters(1001, 2002, 33, 44)}
    assert disk.delta(before, after) == Counters(11, 22, 4, 6)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"sda": Counters(1, 1, 1, 1)}, {"sda": Counters(1, 1, 1, 1), "usb": Counters(9, 9, 9, 9)}),
        ({"sda": Counters(9, 9, 9, 9)}, {"sda": Counters(1, 1, 1, 1)}),
        ({"sda": Counters(1, 1, 1, 1), "usb": Counters()}, {"sda": Counters(1, 1, 1, 1)}),
    ],
    ids=["a disk that came", "a disk that was replaced", "a disk that went"],
)
def test_a_disk_that_comes_or_goes_is_no_traffic(before, after):
    assert disk.delta(before, after) == Counters()
