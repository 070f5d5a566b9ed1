import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamon.helper.powermetrics.document import load
from ollamon.helper.powermetrics.sample import Draw, Sample, extract
from ollamon.readings import Pressure
from tests.fakes.powermetrics import apple, document, intel


def test_every_value_of_apple_silicon():
    assert extract(apple()) == Sample(
        elapsed_s=5.0,
        is_intel=False,
        gpu_percent=25.0,
        gpu_mhz=338.0,
        gpu=Draw(1250, 250.0, True),
        cpu=Draw(15000, 3000.0, True),
        ane=Draw(0, 0.0, False),
        combined_mw=3250.0,
        pressure=Pressure.NOMINAL,
    )


def test_every_value_of_an_intel_mac():
    assert extract(intel()) == Sample(
        elapsed_s=5.0,
        is_intel=True,
        gpu_percent=12.5,
        gpu_mhz=350.0,
        gpu=Draw(power_mw=1500.0),
        cpu=Draw(power_mw=8250.0),
        pressure=Pressure.MODERATE,
        cpu_celsius=61.5,
        gpu_celsius=48.25,
    )


def test_an_intel_mac_that_tells_its_package_only():
    assert extract(intel(processor={"package_watts": 12.5})).cpu.power_mw == 12500


@pytest.mark.parametrize("name", ["GPU Busy", "GPU Busy:", "  GPU Busy   : "])
def test_the_padded_name_of_the_load_of_an_intel_gpu(name):
    gpu = [{"misc_counters": {"fps": 3.0, name: 0.5}}]
    assert extract(intel(GPU=gpu)).gpu_percent == 50


@pytest.mark.parametrize("missing", list(apple()))
def test_every_block_may_be_missing(missing):
    document = {key: value for key, value in apple().items() if key != missing}
    sample = extract(document)
    assert (sample.cpu.power_mw is None) == (missing == "processor")
    assert (sample.gpu_percent is None) == (missing == "gpu")
    assert (sample.pressure is None) == (missing == "thermal_pressure")
    assert (sample.elapsed_s is None) == (missing == "elapsed_ns")


@pytest.mark.parametrize("base", [apple, intel])
@pytest.mark.parametrize("junk", [None, [], {}, "text", 5, math.nan, [[1], "x", None], True, -1])
def test_every_block_may_hold_anything(base, junk):
    for key in base():
        extract(base() | {key: junk})
    for block in ("processor", "gpu", "smc", "GPU"):
        extract({block: junk})
        inner = base().get(block)
        for key in inner if isinstance(inner, dict) else ():
            extract(base() | {block: {**inner, key: junk}})


def test_nothing_known_is_nothing():
    assert extract({}) == Sample()


def test_megahertz_named_hertz():
    assert extract(apple(gpu={"freq_hz": 1578.0})).gpu_mhz == 1578
    assert extract(apple(gpu={"freq_hz": 1578e6})).gpu_mhz == 1578


@pytest.mark.parametrize(
    ("idle", "percent"),
    [(0.0, 100), (1.0, 0), (1.0009, 0), (1.1, None), (-0.1, None), (math.nan, None)],
)
def test_load_is_what_idle_leaves(idle, percent):
    assert extract(apple(gpu={"idle_ratio": idle, "idle_ns": 1})).gpu_percent == percent


def test_energy_where_there_is_no_power():
    processor = {"cpu_energy": 15000, "gpu_energy": 1250}
    sample = extract(apple(processor=processor))
    assert sample.cpu.mean_mw(sample.elapsed_s) == 3000
    assert sample.gpu.mean_mw(sample.elapsed_s) == 250


def test_the_energy_of_the_gpu_block_where_there_is_no_processor_block():
    sample = extract(apple(processor={}))
    assert sample.gpu.mean_mw(sample.elapsed_s) == pytest.approx(251.6)


@pytest.mark.parametrize("pressure", list(Pressure))
def test_every_pressure(pressure):
    assert extract({"thermal_pressure": pressure.title()}).pressure is pressure


def test_a_pressure_that_is_not_known_is_unknown():
    assert extract({"thermal_pressure": "Volcanic"}).pressure is None


@given(
    seconds=st.floats(0.2, 3600),
    cpu_mw=st.floats(0, 100_000),
    gpu_mw=st.floats(0, 100_000),
)
def test_power_is_energy_by_time(seconds, cpu_mw, gpu_mw):
    """The energy is whole mJ, and reals have six digits."""
    told = extract(load(document(apple(seconds=seconds, cpu_mw=cpu_mw, gpu_mw=gpu_mw))))
    assert told.elapsed_s == pytest.approx(seconds)
    for draw in (told.cpu, told.gpu, told.ane):
        reckoned = replace(draw, power_mw=None).mean_mw(told.elapsed_s)
        assert reckoned == pytest.approx(draw.power_mw, rel=1e-5)
