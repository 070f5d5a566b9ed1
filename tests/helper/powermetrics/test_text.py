import pytest

from ollamon.helper.powermetrics import text
from ollamon.helper.powermetrics.sample import Draw, Sample
from ollamon.helper.powermetrics.text import TextSplitter
from ollamon.readings import Pressure

HEAD = b"Machine model: MacBookPro18,1\nOS version: 21A559\n\n"
ONE = b"""\
*** Sampled system activity (Wed Nov 10 01:02:03 2021 +0100) (2007.04ms elapsed) ***

**** Processor usage ****

E-Cluster HW active residency:  12.40%
ANE Power: 0 mW
CPU Power: 321 mW
GPU Power: 45 mW
Combined Power (CPU + GPU + ANE): 366 mW

**** GPU usage ****

GPU HW active frequency: 444 MHz
GPU HW active residency:   3.97% (444 MHz: .97%)
GPU idle residency:  96.03%

**** Thermal pressure ****

Current pressure level: Heavy

"""
INTEL = b"""\
*** Sampled system activity (Wed Nov 10 01:02:03 2021 +0100) (1000.00ms elapsed) ***
Intel energy model derived package power (CPUs+GT+SA): 4.75W
CPU die temperature: 61.10 C
GPU die temperature: 48.00 C
GPU 0 GPU Busy       : 12.50%
"""


@pytest.mark.parametrize("step", [1, 3, 100, 65536])
def test_a_sample_ends_where_the_next_begins(step):
    splitter, found = TextSplitter(), []
    data = HEAD + ONE + INTEL
    for start in range(0, len(data), step):
        found += splitter.feed(data[start : start + step])
    assert found == [ONE]
    assert splitter.finish() == [INTEL]
    assert splitter.finish() == []


def test_text_without_end_is_not_kept():
    splitter = TextSplitter()
    for _ in range(200):
        assert splitter.feed(b"x" * 65536) == []
    assert splitter.dropped == 1
    assert len(splitter._held) < 8 << 20


def test_every_value_of_apple_silicon():
    assert text.read(ONE) == Sample(
        elapsed_s=2.00704,
        gpu_percent=3.97,
        gpu_mhz=444,
        gpu=Draw(power_mw=45),
        cpu=Draw(power_mw=321),
        ane=Draw(power_mw=0),
        combined_mw=366,
        pressure=Pressure.HEAVY,
    )


def test_every_value_of_an_intel_mac():
    assert text.read(INTEL) == Sample(
        elapsed_s=1.0,
        is_intel=True,
        gpu_percent=12.5,
        cpu=Draw(power_mw=4750),
        cpu_celsius=61.1,
        gpu_celsius=48,
    )


@pytest.mark.parametrize("bad", [b"", b"junk", ONE.partition(b"\n")[0].replace(b"(2007.04ms", b"")])
def test_what_is_no_sample_is_an_error(bad):
    with pytest.raises(ValueError, match="no sample"):
        text.read(bad)
