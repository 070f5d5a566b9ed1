from ollamon import readings
from ollamon.helper.assemble import Frame, assemble, health, summary
from ollamon.helper.collector import View
from ollamon.helper.found import Found
from ollamon.readings import (
    Cpu,
    Gpu,
    Platform,
    Pressure,
    Soc,
    Source,
    SourceState,
    State,
    System,
    Thermal,
    Vendor,
)

FRAME = Frame(
    "0.1.0",
    "2026-08-25T10:00:00.123Z",
    123.456,
    5.0,
    Platform(System.LINUX, "6.1", "x86_64", None, False),
)


def seen(source, age=1.0, **values):
    return View(source, SourceState(State.OK, age_seconds=age), Found(**values))


def lost(source, state):
    return View(source, SourceState(state), None)


def test_each_value_comes_from_the_first_source_that_knows_it():
    reading = assemble(
        FRAME,
        [
            seen(Source.POWERMETRICS, 2.04, power_mw=2987.0, energy_joules=12.34),
            seen(Source.RAPL, 9.0, power_mw=1.0),
            seen(Source.IOHID, 3.0, temperature_celsius=55.12),
            seen(Source.HWMON, temperature_celsius=99.0),
        ],
    )
    assert reading.cpu == Cpu(2990, 12.3, 55.1, Source.POWERMETRICS, Source.IOHID, 3.0)


def test_what_nobody_knows_is_none():
    reading = assemble(FRAME, [lost(Source.RAPL, State.PERMISSION_DENIED)])
    assert (reading.gpu, reading.cpu, reading.soc, reading.thermal) == ((), Cpu(), Soc(), Thermal())
    assert reading.sources[Source.RAPL].state is State.PERMISSION_DENIED


def test_a_gpu_that_two_sources_know_is_one():
    load = Gpu("apple0", Vendor.APPLE, "Apple GPU", True, utilization_percent=12.34)
    memory = Gpu("apple0", Vendor.APPLE, "?", True, utilization_percent=99.0, memory_used_bytes=7)
    reading = assemble(
        FRAME,
        [seen(Source.POWERMETRICS, gpus=(load,)), seen(Source.IOREG, 8.0, gpus=(memory,))],
    )
    (gpu,) = reading.gpu
    assert (gpu.name, gpu.utilization_percent, gpu.memory_used_bytes) == ("Apple GPU", 12.3, 7)
    assert (gpu.source, gpu.age_seconds) == (Source.POWERMETRICS, 1.0)


def test_the_chip_and_its_heat_come_whole_from_one_source():
    reading = assemble(
        FRAME,
        [
            seen(
                Source.POWERMETRICS,
                ane_power_mw=3.0,
                ane_energy_joules=0.04,
                combined_power_mw=3254.0,
                pressure=Pressure.HEAVY,
            )
        ],
    )
    assert reading.soc == Soc(0, 0.0, 3250, 1.0)
    assert reading.thermal == Thermal(Pressure.HEAVY, 2, Source.POWERMETRICS, 1.0)


def test_power_is_told_in_steps_of_ten_milliwatts():
    gpu = Gpu("amd0", Vendor.AMD, "AMD GPU", power_mw=41_236.7, energy_joules=3.14159)
    (told,) = assemble(FRAME, [seen(Source.AMDGPU, gpus=(gpu,))]).gpu
    assert (told.power_mw, told.energy_joules) == (41_240, 3.1)


def test_what_is_assembled_can_be_written_and_read():
    gpus = tuple(Gpu(f"amd{i}", Vendor.AMD, "AMD GPU", memory_used_bytes=i) for i in range(40))
    reading = assemble(FRAME, [seen(Source.AMDGPU, gpus=gpus), lost(Source.RAPL, State.FAILED)])
    assert len(reading.gpu) == readings.MAX_GPUS
    assert readings.from_json(readings.to_json(reading)) == reading


def test_health_counts_the_sources_that_this_system_has():
    good, absent = seen(Source.HWMON), lost(Source.NVIDIA, State.UNAVAILABLE)
    denied, failed = (
        lost(Source.RAPL, State.PERMISSION_DENIED),
        lost(Source.RAPL, State.FAILED),
    )
    assert health([good, absent]) == "ok"
    assert health([good, denied]) == "degraded"
    assert health([failed, absent]) == "unavailable"
    assert health([absent]) == "unavailable"
    assert health([]) == "unavailable"


def test_the_summary_tells_what_is_read_and_why_the_rest_is_not():
    denied = View(
        Source.RAPL, SourceState(State.PERMISSION_DENIED, "reading RAPL needs root"), None
    )
    good, absent = seen(Source.HWMON), lost(Source.NVIDIA, State.UNAVAILABLE)
    assert summary([denied, good, absent]) == "reads hwmon; rapl: reading RAPL needs root"
    assert summary([denied]) == "reads nothing; rapl: reading RAPL needs root"
    assert summary([absent]) == "no hardware source on this machine"
