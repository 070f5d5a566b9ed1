"""Recordings of real Macs that lie beside the project, where they exist; none is committed.

Everything that they show is tested on documents of our own too, in this folder.
"""

import json
from pathlib import Path

import pytest

from ollamon.helper.collectors import macmon
from ollamon.helper.powermetrics import text
from ollamon.helper.powermetrics.document import load
from ollamon.helper.powermetrics.sample import extract
from ollamon.helper.powermetrics.splitter import Splitter
from ollamon.helper.powermetrics.window import Account, found
from ollamon.readings import Pressure

NEAR = [parent / "shared" / "samples" / "powermetrics" for parent in Path(__file__).parents]
FOLDER = next((folder for folder in NEAR if folder.is_dir()), None)
pytestmark = pytest.mark.skipif(FOLDER is None, reason="no recordings beside the project")

# seconds, GPU %, MHz, GPU mW, CPU mW, ANE mW, combined mW, pressure: taken from the files by hand.
BY_HAND = {
    "apple-m1-13.3-cpu-gpu-thermal-526ms.plist": [
        (0.526, 5.980, 715.009, 19.012, 102.663, 0, 121.675, "nominal")
    ],
    "apple-m1-13.3-cpu-gpu-thermal.plist": [
        (2.019, 1.666, 714.836, 15.353, 44.077, 0, 59.430, "nominal")
    ],
    "apple-m2ultra-14.4-cpu-gpu-thermal-busy.plist": [
        (1.024, 94.632, 1360.85, 70924.6, 835.188, 0, 71759.8, "nominal")
    ],
    "apple-m4max-26.2-cpu-gpu-thermal-disk.plist": [
        (1.024, 12.266, 338, 269.614, 2978.45, 0, 3248.07, "nominal")
    ],
    "apple-m4pro-15.5-gpu.plist": [(5.005, 0.468, 338, 1.798, None, None, None, None)],
    "apple-m4pro-15.5-gpu-stream.plist": [
        (5.005, 1.748, 426.525, 3.796, None, None, None, None),
        (5.014, 3.028, 479.398, 21.338, None, None, None, None),
        (5.010, 8.255, 867.616, 157.283, None, None, None, None),
        (5.014, 3.224, 483.431, 29.117, None, None, None, None),
        (5.009, 3.933, 458.421, 25.154, None, None, None, None),
    ],
    "apple-trimmed-socpower.plist": [(3.017, 9.864, None, 169.958, 9924.35, 0, 10094.3, None)],
    "apple-m4max-trimmed-thermal.plist": [(1.017, None, None, None, None, None, None, "nominal")],
    "apple-m4pro-15.5-battery.plist": [(1.002, *[None] * 7)],
    "apple-m4pro-15.5-battery-stream.plist": [
        (1.002, *[None] * 7),
        (1.004, *[None] * 7),
        (1.001, *[None] * 7),
    ],
}


def samples_of(name, step=65536):
    data = (FOLDER / name).read_bytes()
    splitter, documents = Splitter(), []
    for start in range(0, len(data), step):
        documents += splitter.feed(data[start : start + step])
    documents += splitter.finish()
    assert splitter.dropped == 0
    return [extract(load(document)) for document in documents]


def values_of(sample):
    draws = (sample.gpu, sample.cpu, sample.ane)
    powers = [draw.mean_mw(sample.elapsed_s) for draw in draws]
    numbers = (sample.elapsed_s, sample.gpu_percent, sample.gpu_mhz, *powers, sample.combined_mw)
    return (*numbers, sample.pressure)


def test_every_recording_has_its_values():
    assert {path.name for path in FOLDER.glob("*.plist")} == set(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_recording_gives_the_values_taken_by_hand(name):
    samples = samples_of(name)
    assert len(samples) == len(BY_HAND[name])
    for sample, wanted in zip(samples, BY_HAND[name], strict=True):
        assert [value is None for value in values_of(sample)] == [v is None for v in wanted]
        known = [value for value in values_of(sample)[:-1] if value is not None]
        numbers = [value for value in wanted[:-1] if value is not None]
        assert known == pytest.approx(numbers, abs=6e-4, rel=1e-5)
        assert sample.pressure == (wanted[-1] and Pressure(wanted[-1]))


@pytest.mark.parametrize("step", [1, 7, 777, 65536])
def test_a_recorded_stream_may_come_in_any_pieces(step):
    name = "apple-m4pro-15.5-gpu-stream.plist"
    assert samples_of(name, step) == samples_of(name)


def test_a_recorded_stream_may_be_cut_at_any_byte():
    name = "apple-m4pro-15.5-gpu-stream.plist"
    data = (FOLDER / name).read_bytes()
    whole = Splitter().feed(data)
    for cut in range(0, len(data), 13):
        splitter = Splitter()
        assert splitter.feed(data[:cut]) + splitter.feed(data[cut:]) == whole, cut
        splitter = Splitter()
        assert whole[: len(before := splitter.feed(data[:cut]))] == before


def test_power_is_energy_by_time_wherever_both_are_recorded():
    """The energy is whole mJ, so power may differ by one over the time."""
    both = 0
    for name in BY_HAND:
        for sample in samples_of(name):
            for draw in (sample.gpu, sample.cpu, sample.ane):
                if draw.power_mw is None or draw.energy_mj is None:
                    continue
                both += 1
                reckoned = draw.energy_mj / sample.elapsed_s
                assert reckoned == pytest.approx(draw.power_mw, abs=1 / sample.elapsed_s)
    assert both == 12


def test_a_recorded_stream_adds_up():
    account = Account()
    for sample in samples_of("apple-m4pro-15.5-gpu-stream.plist"):
        account = account.take(sample)
        (gpu,) = found(sample, account).gpus
    assert gpu.energy_joules == pytest.approx((19 + 107 + 788 + 146 + 126) / 1000)


def test_a_recorded_text():
    sample = text.read((FOLDER / "apple-m2pro-26.3-gpu.txt").read_bytes())
    assert (sample.elapsed_s, sample.gpu_percent, sample.gpu_mhz) == (0.50305, 0.97, 444)
    assert sample.gpu.power_mw == 4


def test_a_recorded_line_of_macmon():
    line = (FOLDER / "macmon-pipe-old-schema.json").read_bytes()
    assert json.loads(line)
    seen = macmon.parse(line)
    (gpu,) = seen.gpus
    assert gpu.utilization_percent == pytest.approx(1.3633, abs=1e-4)
    assert gpu.frequency_mhz == 503
    assert (gpu.power_mw, seen.power_mw) == pytest.approx((10.859, 635.973), abs=1e-3)
    assert (seen.temperature_celsius, gpu.temperature_celsius) == pytest.approx(
        (23.04, 29.45), abs=0.01
    )
