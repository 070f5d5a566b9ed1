import dataclasses

import pytest

from ollamon.proxy.intervals import UNKNOWN, Interval, Intervals, wait_s
from ollamon.readings import (
    Cpu,
    Gpu,
    Platform,
    Reading,
    Soc,
    Source,
    SourceState,
    State,
    System,
    Vendor,
)

HERE = Platform(System.LINUX, "6.1", "x86_64", None, False)
NOTHING = Reading("0.1.0", "2026-08-25T10:00:00.123Z", 100.0, 5.0, HERE)


def reading(gpus=(), cpu=None, ane=None, chip=Source.RAPL, **sources):
    """Each source as (samples, age)."""
    states = {
        Source(name): SourceState(State.OK, samples=samples, age_seconds=age)
        for name, (samples, age) in sources.items()
    }
    return dataclasses.replace(
        NOTHING,
        gpu=tuple(gpus),
        cpu=Cpu(energy_joules=cpu, power_source=chip),
        soc=Soc(ane_energy_joules=ane),
        sources=states,
    )


def nvidia(joules, index=0):
    return Gpu(
        *(f"nvidia{index}", Vendor.NVIDIA, "RTX"), energy_joules=joules, source=Source.NVIDIA
    )


def amd(joules, *, integrated):
    return Gpu(
        *("amd0", Vendor.AMD, "AMD GPU", integrated), energy_joules=joules, source=Source.AMDGPU
    )


def taken(*readings_at):
    intervals = Intervals()
    return [intervals.take(one, now) for one, now in readings_at]


def close(interval):
    return Interval(pytest.approx(interval.joules), pytest.approx(interval.seconds))


def test_the_first_reading_knows_nothing():
    assert taken((reading(cpu=7.0, rapl=(1, 0.5)), 10.0)) == [UNKNOWN]


def test_an_interval_is_the_sum_of_all_parts_and_as_long_as_the_samples_lie_apart():
    parts = {"ane": 1.0, "gpus": [nvidia(100.0), nvidia(50.0, 1)]}
    later = {"ane": 1.5, "gpus": [nvidia(400.0), nvidia(60.0, 1)]}
    seen = taken(
        (reading(cpu=7.0, rapl=(4, 1.0), nvidia=(9, 2.0), **parts), 10.0),
        (reading(cpu=27.0, rapl=(5, 0.5), nvidia=(10, 1.5), **later), 14.5),
    )
    assert seen == [UNKNOWN, close(Interval(20 + 0.5 + 300 + 10, 5.0))]


def test_without_a_new_sample_of_each_source_the_interval_goes_on():
    seen = taken(
        (reading(cpu=7.0, rapl=(4, 1.0), gpus=[nvidia(0.0)], nvidia=(9, 1.0)), 10.0),
        (reading(cpu=7.0, rapl=(4, 4.0), gpus=[nvidia(9.0)], nvidia=(10, 0.0)), 13.0),
        (reading(cpu=17.0, rapl=(5, 0.0), gpus=[nvidia(9.0)], nvidia=(10, 1.0)), 14.0),
    )
    assert seen == [UNKNOWN, None, close(Interval(19.0, 4.5))]


def test_two_samples_between_two_readings_are_one_interval():
    seen = taken((reading(cpu=7.0, rapl=(4, 0.0)), 10.0), (reading(cpu=37.0, rapl=(6, 0.0)), 20.0))
    assert seen[1] == Interval(30.0, 10.0)


def test_an_amd_gpu_that_holds_the_cpu_is_no_part():
    seen = taken(
        (reading([amd(0.0, integrated=True)], 0.0, rapl=(4, 0.0), amdgpu=(1, 0.0)), 10.0),
        (reading([amd(50.0, integrated=True)], 8.0, rapl=(5, 0.0), amdgpu=(1, 5.0)), 15.0),
    )
    assert seen[1] == Interval(8.0, 5.0)


@pytest.mark.parametrize("integrated", [False, None])
def test_any_other_amd_gpu_is_one(integrated):
    gpus = [amd(joules, integrated=integrated) for joules in (0.0, 50.0)]
    seen = taken(
        (reading(gpus[:1], 0.0, rapl=(4, 0.0), amdgpu=(1, 0.0)), 10.0),
        (reading(gpus[1:], 8.0, rapl=(5, 0.0), amdgpu=(2, 0.0)), 15.0),
    )
    assert seen[1] == Interval(58.0, 5.0)


def test_the_gpu_of_an_apple_chip_has_its_energy_where_the_cpu_has_it():
    def apple(joules, source):
        return Gpu("apple0", Vendor.APPLE, "Apple GPU", True, energy_joules=joules, source=source)

    chip = Source.MACMON
    seen = taken(
        (reading([apple(1.0, Source.IOREG)], 1.0, None, chip, macmon=(1, 0), ioreg=(1, 0)), 10.0),
        (reading([apple(3.0, Source.IOREG)], 9.0, None, chip, macmon=(2, 0), ioreg=(1, 5)), 15.0),
    )
    assert seen[1] == Interval(10.0, 5.0)


@pytest.mark.parametrize(
    "after",
    [
        reading(cpu=2.0, rapl=(5, 0.0)),
        reading(cpu=9.0, rapl=(1, 0.0)),
        reading(cpu=None, rapl=(5, 0.0)),
        reading(cpu=9.0, gpus=[nvidia(1.0)], rapl=(5, 0.0), nvidia=(1, 0.0)),
        reading(cpu=9.0),
        NOTHING,
    ],
    ids=[
        "a counter that fell",
        "a helper that began anew",
        "an energy that is not known any more",
        "a GPU that came",
        "an energy without its source",
        "nothing",
    ],
)
def test_what_was_drawn_around_a_change_is_unknown(after):
    assert taken((reading(cpu=7.0, rapl=(4, 0.0)), 10.0), (after, 15.0))[1] == UNKNOWN


def test_after_a_change_it_goes_on():
    seen = taken(
        (reading(cpu=7.0, rapl=(4, 0.0)), 10.0),
        (reading(cpu=2.0, rapl=(1, 0.0)), 15.0),
        (reading(cpu=4.0, rapl=(2, 0.0)), 20.0),
    )
    assert seen[2] == Interval(2.0, 5.0)


def test_a_machine_without_energy_never_knows_any():
    assert taken((NOTHING, 1.0), (NOTHING, 2.0)) == [UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (reading(cpu=1.0, rapl=(4, 0.25)), 5.0),
        (reading(cpu=1.0, rapl=(4, 4.0)), 1.25),
        (reading(cpu=1.0, rapl=(4, 12.0)), 3.25),
        (reading(cpu=1.0, gpus=[nvidia(1.0)], rapl=(4, 1.0), nvidia=(4, 2.0)), 3.25),
        (reading(cpu=1.0, rapl=(4, 1.0), hwmon=(4, 3.0)), 4.25),
        (NOTHING, 5.0),
    ],
    ids=[
        "just after a sample",
        "long after it",
        "a source that is late",
        "the older of two",
        "a source without energy",
        "no source",
    ],
)
def test_the_next_look_is_right_after_the_next_sample(asked, waits):
    assert wait_s(asked, 5.0) == pytest.approx(waits)
