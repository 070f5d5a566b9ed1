import pytest

from ollamon.host import system
from ollamon.host.system import CpuTimes


def test_this_machine_can_be_read():
    reading = system.read()
    assert 0 < reading.memory_used < reading.memory_total
    assert reading.cpu.busy < reading.cpu.total
    assert reading.swap_used is None or reading.swap_used >= 0


def test_guests_are_not_counted_twice_and_waiting_is_no_work():
    times = system.parse_times(
        {
            "user": 100.0,
            "nice": 10.0,
            "system": 20.0,
            "idle": 300.0,
            "iowait": 50.0,
            "irq": 1.0,
            "softirq": 2.0,
            "steal": 3.0,
            "guest": 40.0,
            "guest_nice": 5.0,
        }
    )
    # 100 s and 10 s hold the guests' 40 s and 5 s already.
    assert times == CpuTimes(busy=136.0, total=486.0)


def test_macos_tells_four_times():
    times = system.parse_times({"user": 3.0, "nice": 0.0, "system": 1.0, "idle": 12.0})
    assert times == CpuTimes(busy=4.0, total=16.0)


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        (None, CpuTimes(50, 100), None),
        (CpuTimes(50, 100), CpuTimes(75, 200), 0.25),
        (CpuTimes(50, 100), CpuTimes(50, 100), None),
        (CpuTimes(50, 100), CpuTimes(49, 110), 0.0),
        (CpuTimes(50, 100), CpuTimes(70, 110), 1.0),
        (CpuTimes(50, 100), CpuTimes(5, 10), None),
    ],
    ids=["first", "a quarter", "no time passed", "iowait fell", "more than all", "restarted"],
)
def test_cpu_use_is_the_share_of_work_between_two_readings(before, after, ratio):
    assert system.cpu_ratio(before, after) == ratio
