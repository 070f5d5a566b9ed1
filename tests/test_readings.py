import dataclasses
import json

import pytest

from ollamon import readings
from ollamon.readings import (
    Cpu,
    Gpu,
    GpuProcess,
    Platform,
    Pressure,
    Reading,
    ReadingError,
    Soc,
    Source,
    SourceState,
    State,
    System,
    Thermal,
    Vendor,
)

FULL = Reading(
    helper_version="0.1.0",
    timestamp="2026-08-25T10:00:00.123Z",
    uptime_seconds=123.4,
    interval_seconds=5.0,
    platform=Platform(System.DARWIN, "25C56", "arm64", "Mac16,5", False),
    gpu=(
        Gpu(
            "apple0",
            Vendor.APPLE,
            "Apple GPU",
            True,
            utilization_percent=12.3,
            power_mw=270.0,
            energy_joules=33.1,
            frequency_mhz=338.0,
            memory_used_bytes=2**40,
            source=Source.POWERMETRICS,
            age_seconds=0.8,
        ),
        Gpu(
            *("nvidia0", Vendor.NVIDIA, "GeForce RTX 3060", False),
            processes=(GpuProcess(4242, 2**30, 50.0), GpuProcess(7)),
        ),
    ),
    cpu=Cpu(2980.0, 365.2, 55.1, Source.POWERMETRICS, Source.IOHID, 0.8),
    soc=Soc(0.0, 0.0, 3250.0, 0.8),
    thermal=Thermal(Pressure.NOMINAL, 0, Source.POWERMETRICS, 0.8),
    sources={
        Source.POWERMETRICS: SourceState(State.OK, None, 60, 1, 2, 0.8),
        Source.IOHID: SourceState(State.UNAVAILABLE, "not on this system"),
    },
)
# As in the design: every key present, in this order.
KEYS = [
    *("schema_version", "helper_version", "timestamp", "uptime_seconds", "interval_seconds"),
    *("platform", "gpu", "cpu", "soc", "thermal", "sources"),
]
GPU_KEYS = [
    *("id", "vendor", "name", "integrated", "utilization_percent", "power_mw", "energy_joules"),
    *("temperature_celsius", "frequency_mhz", "memory_used_bytes", "memory_total_bytes"),
    *("source", "age_seconds", "processes"),
]


def document():
    return json.loads(readings.to_json(FULL))


def test_what_was_written_is_read():
    # The model's comma is no character of a name.
    expected = dataclasses.replace(
        FULL, platform=dataclasses.replace(FULL.platform, model="Mac16_5")
    )
    assert readings.from_json(readings.to_json(FULL)) == expected


def test_every_key_is_present_even_when_nothing_is_known():
    nothing = dataclasses.replace(FULL, gpu=(), cpu=Cpu(), soc=Soc(), thermal=Thermal(), sources={})
    written = json.loads(readings.to_json(nothing))
    assert list(written) == KEYS
    assert list(document()["gpu"][0]) == GPU_KEYS
    assert written["cpu"]["power_mw"] is None
    assert readings.from_json(readings.to_json(nothing)).gpu == ()


def test_a_number_that_is_not_finite_is_never_written():
    with pytest.raises(ValueError, match="JSON compliant"):
        readings.to_json(dataclasses.replace(FULL, uptime_seconds=float("nan")))


def put(path, value):
    """Return a valid answer with one value replaced."""
    answer = document()
    *parents, last = path.split("/")
    place = answer
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[last] = value
    return json.dumps(answer).encode()


def without(path):
    answer = document()
    *parents, last = path.split("/")
    place = answer
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    del place[last]
    return json.dumps(answer).encode()


def raw(text):
    return readings.to_json(FULL).replace(b'"power_mw":270.0', b'"power_mw":' + text)


POISON = {
    "nothing": (b"", "no JSON"),
    "too long": (b" " * (readings.MAX_BYTES + 1), "longer than"),
    "no JSON": (b"<html>", "no JSON"),
    "not UTF-8": (b'{"a":"\xff"}', "no JSON"),
    "nested without end": (b"[" * readings.MAX_BYTES, "no JSON"),
    "a list": (b"[]", "expected an object"),
    "a number": (b"1", "expected an object"),
    "another version": (put("schema_version", 2), "schema_version"),
    "a version that is true": (put("schema_version", True), "schema_version"),
    "no version": (without("schema_version"), "schema_version: missing"),
    "NaN": (raw(b"NaN"), "no JSON"),
    "Infinity": (raw(b"-Infinity"), "no JSON"),
    "1e999": (raw(b"1e999"), r"gpu\[0\].power_mw"),
    "10**400": (raw(b"1" + b"0" * 400), r"gpu\[0\].power_mw"),
    "a number of 5000 digits": (raw(b"1" * 5000), "no JSON"),
    "negative power": (raw(b"-1"), r"gpu\[0\].power_mw"),
    "power as text": (raw(b'"270"'), "expected a number"),
    "power as a boolean": (raw(b"true"), "expected a number"),
    "power as a list": (raw(b"[1]"), "expected a number"),
    "a percentage above 100": (put("gpu/0/utilization_percent", 100.5), "0 to 100"),
    "an iceberg": (put("cpu/temperature_celsius", 4), "5 to 130"),
    "a sun": (put("cpu/temperature_celsius", 5000), "5 to 130"),
    "half a byte": (put("gpu/0/memory_used_bytes", 0.5), "whole number"),
    "too much memory": (put("gpu/0/memory_used_bytes", 2**53 + 2), "memory_used_bytes"),
    "an unknown vendor": (put("gpu/0/vendor", "acme"), "unknown word"),
    "a vendor that is a list": (put("gpu/0/vendor", []), "unknown word"),
    "no vendor": (put("gpu/0/vendor", None), "expected a word"),
    "an id of another vendor": (put("gpu/0/id", "amd0"), "gpu.0..id"),
    "an id with a label in it": (put("gpu/0/id", 'apple0"} 1'), "gpu.0..id"),
    "an id of Arabic digits": (put("gpu/0/id", "apple\u0661"), "gpu.0..id"),
    "the same GPU twice": (put("gpu", document()["gpu"][:1] * 2), "occurs twice"),
    "a hundred GPUs": (put("gpu", document()["gpu"] * 50), "at most 32"),
    "GPUs as an object": (put("gpu", {}), "expected a list"),
    "a GPU that is null": (put("gpu", [None]), r"gpu\[0\]: expected an object"),
    "a name that is a number": (put("gpu/0/name", 1), "expected text"),
    "an unknown source": (put("sources/evil", {}), "unknown source"),
    "an unknown state": (put("sources/powermetrics/state", "fine"), "unknown word"),
    "a count that is null": (put("sources/powermetrics/samples", None), "whole number"),
    "a source without a state": (without("sources/powermetrics/state"), "missing"),
    "a CPU that is missing": (without("cpu"), "cpu: missing"),
    "a CPU that is null": (put("cpu", None), "cpu: expected an object"),
    "a time of no day": (put("timestamp", "yesterday"), "timestamp"),
    "an unknown pressure": (put("thermal/pressure", "extreme"), "unknown word"),
    "a pressure level too high": (put("thermal/level", 5), "0 to 4"),
    "an interval of nothing": (put("interval_seconds", 0), "interval_seconds"),
    "processes as an object": (put("gpu/1/processes", {}), "expected a list"),
    "too many processes": (put("gpu/1/processes", [{"pid": 1}] * 33), "at most 32"),
    "a process that is a number": (put("gpu/1/processes", [1]), "expected an object"),
    "a process without a number": (without("gpu/1/processes/0/pid"), "processes.pid: missing"),
    "a process of number 0": (put("gpu/1/processes/0/pid", 0), "processes.pid"),
    "half a process": (put("gpu/1/processes/0/pid", 1.5), "whole number"),
    "a process that uses too much": (
        put("gpu/1/processes/0/utilization_percent", 101),
        "0 to 100",
    ),
    "integrated as text": (put("gpu/0/integrated", "yes"), "true, false or null"),
}


@pytest.mark.parametrize(("body", "reason"), POISON.values(), ids=POISON)
def test_a_poisoned_answer_is_refused_with_the_reason(body, reason):
    with pytest.raises(ReadingError, match=reason) as caught:
        readings.from_json(body)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ('x"}\n', "x___"),
        ("\ud800", "_"),
        ("\x1b[31mred", "__31mred"),
        ("a" * 1000, "a" * 64),
        ("Grafikkarte Ä", "Grafikkarte _"),
        ("AMD Radeon RX 7900 XT/7900 XTX (rev. 1)", "AMD Radeon RX 7900 XT/7900 XTX (rev. 1)"),
    ],
)
def test_a_name_is_cleaned(name, cleaned):
    assert readings.from_json(put("gpu/0/name", name)).gpu[0].name == cleaned


def test_a_detail_cannot_drive_a_terminal():
    detail = "\x1b]0;title\x07" + "y" * 1000
    read = readings.from_json(put("sources/powermetrics/detail", detail))
    shown = read.sources[Source.POWERMETRICS].detail
    assert shown is not None
    assert shown.isprintable()
    assert len(shown) == readings.MAX_DETAIL


def test_keys_of_a_later_helper_are_passed_over():
    assert readings.from_json(put("fan", {"rpm": 1})) == readings.from_json(readings.to_json(FULL))


def test_a_helper_of_an_earlier_release_tells_of_no_process():
    assert readings.from_json(without("gpu/1/processes")).gpu[1].processes is None


def test_the_largest_answer_is_not_too_long():
    number = 99_999_999.9
    process = GpuProcess(2**31, 2**53, 12.345678901234567)
    gpus = tuple(
        Gpu(
            *(f"nvidia{index}", Vendor.NVIDIA, "x" * 64, False),
            *[number] * 5,
            *(2**53, 2**53, Source.POWERMETRICS, number),
            processes=(process,) * readings.MAX_PROCESSES,
        )
        for index in range(readings.MAX_GPUS)
    )
    states = dict.fromkeys(Source, SourceState(State.PERMISSION_DENIED, "x" * 200, 2**53))
    whole = dataclasses.replace(FULL, gpu=gpus, sources=states)
    assert len(readings.to_json(whole)) < readings.MAX_BYTES / 2


def test_unknown_stays_unknown():
    read = readings.from_json(readings.to_json(FULL))
    assert read.gpu[1].power_mw is None
    assert read.gpu[0].temperature_celsius is None
    assert read.gpu[0].memory_total_bytes is None


def test_the_level_of_a_pressure_is_its_place():
    assert [pressure.level for pressure in Pressure] == [0, 1, 2, 3, 4]
