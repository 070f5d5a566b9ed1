import asyncio
import contextlib
import dataclasses
import itertools
import math
import socketserver
import threading
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ollamon import readings
from ollamon.config.model import Address, Config
from ollamon.helper.found import Found
from ollamon.helper.sampler import Sampler, this_machine
from ollamon.helper.server import HelperServer
from ollamon.host import disk, processes, system
from ollamon.host.pressure import PressureReading
from ollamon.metrics import catalog
from ollamon.metrics.instruments import Instruments
from ollamon.proxy import hardware
from ollamon.proxy.admin import Exposition
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

WAIT_S = 30
READING = Reading(
    "0.1.0",
    "2026-08-25T10:00:00.123Z",
    100.0,
    5.0,
    Platform(System.LINUX, "6.1", "x86_64", None, False),
    gpu=(
        Gpu(
            "nvidia0",
            Vendor.NVIDIA,
            "GeForce RTX 3060",
            False,
            utilization_percent=33.3,
            power_mw=123_450.0,
            temperature_celsius=61.0,
            memory_used_bytes=5 * 2**30,
            memory_total_bytes=12 * 2**30,
        ),
        Gpu("nvidia1", Vendor.NVIDIA, "GeForce RTX 3060", False, utilization_percent=77.7),
        Gpu("amd0", Vendor.AMD, "AMD GPU", True, power_mw=11_110.0),
    ),
    cpu=Cpu(power_mw=29_990.0, temperature_celsius=55.1),
    soc=Soc(ane_power_mw=70.0),
    sources={
        Source.RAPL: SourceState(State.OK),
        Source.NVIDIA: SourceState(State.FAILED),
        Source.AMDGPU: SourceState(State.STALE),
        Source.HWMON: SourceState(State.STARTING),
        Source.IOHID: SourceState(State.UNAVAILABLE),
        Source.POWERMETRICS: SourceState(State.PERMISSION_DENIED),
    },
)
UNKNOWN = dataclasses.replace(
    READING, gpu=(Gpu("amd0", Vendor.AMD, "AMD GPU"),), cpu=Cpu(), soc=Soc(), sources={}
)


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def board(registry):
    return Instruments(registry).board


def scrape(registry):
    """All samples as (name, values of the sorted labels) -> value, as Prometheus reads them."""
    return {
        (sample.name, tuple(text for _, text in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def value(registry, metric, *labels):
    texts = tuple(text for _, text in sorted(zip(metric.labels, labels, strict=True)))
    return scrape(registry).get((metric.name, texts))


def names(registry):
    return {name for name, _ in scrape(registry)}


@contextlib.asynccontextmanager
async def running(work):
    """Run a loop that never ends for the length of a block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        yield
        task.cancel()


async def until(condition):
    """Wait until a condition holds, turn by turn of the loop."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - a board tells nobody that it changed
            await asyncio.sleep(0.01)


GOOD_BEGINNING = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n{"


def nobody(reading, now):
    return {}


def put(board, samples):
    for metric, values in samples.items():
        board.replace(metric, values)


def test_seed_and_twin_come_from_one_observation(registry, board):
    put(board, hardware.helper_samples(READING))
    reading = system.SystemReading(system.CpuTimes(1, 3), 100, 41, 7)
    put(board, hardware.system_samples(reading, 1 / 3))
    put(board, hardware._pair(catalog.MEMORY_PRESSURE_RATIO, {("psi",): 0.1234567}))
    seen = scrape(registry)

    def twin(metric, combine=sum):
        return combine([v for (name, _), v in seen.items() if name == metric.name])

    def mean(values):
        return sum(values) / len(values)

    for metric, combine in (
        (catalog.CPU_USAGE_RATIO, sum),
        (catalog.MEMORY_USED, sum),
        (catalog.MEMORY_PRESSURE_RATIO, sum),
        (catalog.GPU_UTILIZATION, mean),
        (catalog.GPU_POWER, sum),
        (catalog.HOST_CPU_TEMPERATURE, sum),
    ):
        seed = seen[(metric.twin_of.name, ())]
        assert seed == pytest.approx(metric.scale * twin(metric, combine), rel=1e-9)
    cpu = seen[(catalog.HOST_POWER.name, ("cpu",))]
    assert seen[(catalog.CPU_POWER_MILLIWATTS.name, ())] == pytest.approx(1000 * cpu, rel=1e-9)


def test_the_values_of_the_helper_are_what_it_read(registry, board):
    put(board, hardware.helper_samples(READING))
    assert value(registry, catalog.GPU_RESIDENCY_PERCENT) == pytest.approx(55.5)
    assert value(registry, catalog.GPU_POWER_MILLIWATTS) == pytest.approx(134_560)
    assert value(registry, catalog.CPU_POWER_MILLIWATTS) == pytest.approx(29_990)
    assert value(registry, catalog.HOST_POWER, "ane") == pytest.approx(0.07)
    assert value(registry, catalog.CPU_TEMPERATURE) == 55.1
    assert value(registry, catalog.GPU_TEMPERATURE, "nvidia0") == 61
    assert value(registry, catalog.GPU_MEMORY_TOTAL, "nvidia0") == 12 * 2**30
    assert value(registry, catalog.GPU_INFO, "amd0", "amd", "AMD GPU") == 1


def test_what_is_unknown_is_absent_and_never_0(registry, board):
    before = scrape(registry)
    put(board, hardware.helper_samples(UNKNOWN))
    reading = system.SystemReading(system.CpuTimes(1, 3), 100, 41, None)
    put(board, hardware.system_samples(reading, None))
    new = scrape(registry).keys() - before.keys()
    assert {name for name, _ in new} == {
        catalog.GPU_INFO.name,
        catalog.MEMORY_USAGE.name,
        catalog.MEMORY_USED.name,
        catalog.HOST_MEMORY_TOTAL.name,
    }


def test_a_value_that_becomes_unknown_vanishes(registry, board):
    put(board, hardware.helper_samples(READING))
    put(board, hardware.helper_samples(UNKNOWN))
    assert value(registry, catalog.GPU_POWER_MILLIWATTS) is None
    assert value(registry, catalog.GPU_INFO, "nvidia0", "nvidia", "GeForce RTX 3060") is None


def test_the_level_of_memory_pressure_is_there_where_the_system_has_one(registry, board):
    put(board, hardware.pressure_samples(PressureReading("memorystatus", 0.4, 2)))
    assert value(registry, catalog.HOST_PRESSURE_LEVEL) == 2
    assert value(registry, catalog.MEMORY_PRESSURE_PERCENT) == 40
    for reading in (PressureReading("psi", 0.4), None):
        put(board, hardware.pressure_samples(reading))
        assert value(registry, catalog.HOST_PRESSURE_LEVEL) is None


def test_a_source_that_fails_is_0_and_one_that_is_not_there_is_absent():
    assert hardware.collectors(READING) == {
        "rapl": 1.0,
        "nvidia": 0.0,
        "amdgpu": 0.0,
        "hwmon": None,
        "iohid": None,
        "powermetrics": None,
    }


def test_a_source_worked_last_as_long_ago_as_it_says():
    sources = {Source.RAPL: SourceState(State.OK, age_seconds=2.5), Source.SMC: SourceState()}
    reading = dataclasses.replace(READING, sources=sources)
    assert hardware.last_successes(reading, 1_000.0) == {"rapl": 997.5}


def test_energy_is_added_up_by_gpu_and_component(registry, board):
    energy = hardware.Energy()
    for joules in (100.0, 160.0, 5.0):
        gpu = Gpu("apple0", Vendor.APPLE, "M2", energy_joules=joules, frequency_mhz=1398.0)
        reading = dataclasses.replace(
            READING,
            gpu=(gpu,),
            cpu=Cpu(energy_joules=joules),
            soc=Soc(ane_energy_joules=None),
            thermal=Thermal(Pressure.HEAVY, 2),
        )
        put(board, hardware.helper_samples(reading) | energy.take(reading))
    assert value(registry, catalog.GPU_ENERGY, "apple0") == 65
    assert value(registry, catalog.HOST_ENERGY, "cpu") == 65
    assert value(registry, catalog.HOST_ENERGY, "ane") is None
    assert value(registry, catalog.GPU_FREQUENCY, "apple0") == 1.398e9
    assert value(registry, catalog.HOST_THERMAL_LEVEL) == 2


def test_disk_rates_are_the_last_step_and_counters_the_sum(registry, board):
    step, total = disk.Counters(1000, 500, 30, 20), disk.Counters(9000, 8000, 700, 600)
    put(board, hardware.disk_samples(step, total, 4.0))
    assert value(registry, catalog.DISK_READ_RATE) == 250
    assert value(registry, catalog.DISK_WRITE_RATE) == 125
    assert value(registry, catalog.DISK_IOPS) == 12.5
    assert value(registry, catalog.DISK_READ_BYTES) == 9000
    assert value(registry, catalog.DISK_WRITTEN_BYTES) == 8000
    assert value(registry, catalog.DISK_OPERATIONS, "read") == 700
    assert value(registry, catalog.DISK_OPERATIONS, "write") == 600


def test_ollamas_processes_are_told_by_role(registry, board):
    usages = {
        processes.Role.SERVER: processes.Usage(100, None),
        processes.Role.RUNNER: processes.Usage(None, 3.5),
    }
    put(board, hardware.ollama_samples(usages, {processes.Role.RUNNER: 12.5}))
    assert value(registry, catalog.OLLAMA_MEMORY, "server") == 100
    assert value(registry, catalog.OLLAMA_MEMORY, "runner") is None
    assert value(registry, catalog.OLLAMA_CPU, "server") is None
    assert value(registry, catalog.OLLAMA_CPU, "runner") == 3.5
    assert value(registry, catalog.OLLAMA_CPU_SECONDS, "runner") == 12.5
    assert value(registry, catalog.OLLAMA_CPU_SECONDS, "server") is None
    put(board, hardware.ollama_samples({}, {}))
    assert catalog.OLLAMA_CPU.name not in names(registry)


def test_what_ollama_has_of_each_gpu_is_told_by_role(registry, board):
    told = (
        GpuProcess(10, 2**30, 40.0),
        GpuProcess(11, 2**20, 5.0),
        GpuProcess(99, 2**33, 50.0),
    )
    gpus = (
        Gpu("nvidia0", Vendor.NVIDIA, "RTX", processes=told),
        Gpu("nvidia1", Vendor.NVIDIA, "RTX", processes=(GpuProcess(10), GpuProcess(11, 1, 1.0))),
        Gpu("nvidia2", Vendor.NVIDIA, "RTX", processes=(GpuProcess(99, 1, 1.0),)),
        Gpu("apple0", Vendor.APPLE, "M4"),
    )
    runner = processes.Role.RUNNER
    roles = {10: runner, 11: runner, 12: processes.Role.SERVER}
    put(board, hardware.gpu_process_samples(dataclasses.replace(READING, gpu=gpus), roles))
    assert value(registry, catalog.OLLAMA_GPU_MEMORY, "runner", "nvidia0") == 2**30 + 2**20
    assert value(registry, catalog.OLLAMA_GPU_USE, "runner", "nvidia0") == pytest.approx(0.45)
    shown = {key for key in scrape(registry) if key[0] == catalog.OLLAMA_GPU_MEMORY.name}
    assert shown == {(catalog.OLLAMA_GPU_MEMORY.name, ("nvidia0", "runner"))}


async def test_the_first_cpu_sample_is_absent_and_the_second_comes_soon(registry, board):
    seen = []

    class Watched(hardware.Host):
        def observe(self):
            samples, failures = super().observe()
            seen.append(samples[catalog.CPU_USAGE_RATIO][()])
            return samples, failures

    async with running(hardware.watch_host(Watched(), board, 3600.0)):
        await until(lambda: value(registry, catalog.MEMORY_USAGE) is not None)
        assert seen[0] is None
        await until(lambda: value(registry, catalog.CPU_USAGE_PERCENT) is not None)
    assert 0 <= value(registry, catalog.CPU_USAGE_PERCENT) <= 100
    assert value(registry, catalog.COLLECTOR_UP, "host") == 1
    # After the quick second reading the interval holds.
    assert len(seen) == 2


class BrokenDisks(disk.Disks):
    def read(self):
        raise RuntimeError("no disks today")


async def test_a_part_that_fails_is_visible_and_leaves_the_others(registry, board, caplog):
    host = hardware.Host(BrokenDisks())
    async with running(hardware.watch_host(host, board, 1.0)):
        await until(lambda: value(registry, catalog.CPU_USAGE_PERCENT) is not None)
        assert value(registry, catalog.COLLECTOR_UP, "host") == 0
        await until(lambda: value(registry, catalog.MEMORY_USAGE) is not None)
    assert value(registry, catalog.DISK_IOPS) is None
    # Told once, not at every reading.
    assert caplog.text.count("cannot read disks: RuntimeError('no disks today')") == 1


async def test_values_of_a_part_that_stops_working_vanish(registry, board):
    host = hardware.Host()
    async with running(hardware.watch_host(host, board, 0.05)):
        await until(lambda: value(registry, catalog.MEMORY_USAGE) is not None)
    await until(lambda: value(registry, catalog.MEMORY_USAGE) is None)
    await until(lambda: value(registry, catalog.COLLECTOR_UP, "host") is None)


async def test_a_reading_that_hangs_does_not_delay_the_loop(board):
    entered, release, left = threading.Event(), threading.Event(), threading.Event()

    class Hanging(hardware.Host):
        def observe(self):
            entered.set()
            release.wait(WAIT_S)
            left.set()
            return {}, {}

    try:
        async with running(hardware.watch_host(Hanging(), board, 0.05)):
            await until(entered.is_set)
            assert not left.is_set()
    finally:
        release.set()


@pytest.mark.parametrize("answer", [b"", GOOD_BEGINNING], ids=["silent", "in the middle"])
async def test_a_helper_that_hangs_delays_no_scrape(registry, board, monkeypatch, answer):
    # Whoever waited for the helper would wait for ever.
    monkeypatch.setattr(hardware, "_TIMEOUT_S", math.inf)
    exposition = Exposition(registry, clock=itertools.count(step=10).__next__)
    with squatter(answer, closes=False) as (address, asked):
        async with running(hardware.watch_helper(address, board, 0.05, nobody)):
            await until(asked.is_set)
            async with asyncio.timeout(WAIT_S):
                for _ in range(3):
                    assert (await exposition.answer("", "")).status == 200
            assert value(registry, catalog.COLLECTOR_UP, "helper") is None


class Warm:
    """A collector that knows a temperature and a GPU."""

    source = Source.AMDGPU
    least_interval_s = 0.0

    def collect(self, now):
        gpu = Gpu("amd0", Vendor.AMD, "AMD GPU", utilization_percent=50.0, power_mw=10_000.0)
        return Found(gpus=(gpu,), temperature_celsius=50.0)


@contextlib.contextmanager
def real_helper(*collectors):
    """The helper's own server, in threads, with these collectors."""
    stop = threading.Event()
    sampler = Sampler(collectors, 1.0, this_machine())
    server = HelperServer(0, sampler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    sampler.start(stop)
    try:
        while sampler.health() != "ok":
            stop.wait(0.01)
        yield Address("127.0.0.1", server.port)
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


async def test_what_a_real_helper_measures_arrives_on_the_board(registry, board):
    with real_helper(Warm()) as address:
        async with running(hardware.watch_helper(address, board, 60.0, nobody)):
            await until(lambda: value(registry, catalog.GPU_POWER_MILLIWATTS) is not None)
    assert value(registry, catalog.GPU_RESIDENCY_PERCENT) == pytest.approx(50)
    assert value(registry, catalog.GPU_POWER_MILLIWATTS) == pytest.approx(10_000)
    assert value(registry, catalog.HOST_CPU_TEMPERATURE) == 50
    assert value(registry, catalog.COLLECTOR_UP, "helper") == 1
    assert value(registry, catalog.COLLECTOR_UP, "amdgpu") == 1


async def test_each_reading_is_attributed_and_what_comes_of_it_is_shown(registry, board):
    seen = []

    def attribute(reading, now):
        seen.append((reading.gpu[0].id, now))
        return {catalog.ENERGY: {("tiny",): float(len(seen))}}

    before = time.monotonic()
    with real_helper(Warm()) as address:
        async with running(hardware.watch_helper(address, board, 0.05, attribute)):
            await until(lambda: (value(registry, catalog.ENERGY, "tiny") or 0) >= 3)
    assert {gpu for gpu, _ in seen} == {"amd0"}
    moments = [before, *(now for _, now in seen), time.monotonic()]
    assert moments == sorted(moments)


async def test_a_helper_that_goes_away_is_0_and_its_values_vanish(registry, board, caplog):
    with real_helper(Warm()) as address:
        watching = running(hardware.watch_helper(address, board, 0.2, nobody))
        await watching.__aenter__()
        await until(lambda: value(registry, catalog.GPU_POWER_MILLIWATTS) is not None)
    try:
        await until(lambda: value(registry, catalog.COLLECTOR_UP, "helper") == 0)
        await until(lambda: value(registry, catalog.GPU_POWER_MILLIWATTS) is None)
        await until(lambda: value(registry, catalog.COLLECTOR_UP, "amdgpu") is None)
    finally:
        await watching.__aexit__(None, None, None)
    assert caplog.text.count("cannot read the helper") == 1


async def test_a_helper_that_is_still_starting_is_neither_up_nor_down(registry, board):
    with squatter(b"") as (address, asked):
        async with running(hardware.watch_helper(address, board, 0.2, nobody)):
            await until(asked.is_set)
            assert value(registry, catalog.COLLECTOR_UP, "helper") is None
            await until(lambda: value(registry, catalog.COLLECTOR_UP, "helper") == 0)


async def test_without_a_helper_there_is_no_series_of_it(registry, board):
    config = Config.model_validate({"metrics": {"host_interval": "1s"}})
    async with running(hardware.run(config, board, nobody)):
        await until(lambda: value(registry, catalog.CPU_USAGE_PERCENT) is not None)
        assert value(registry, catalog.COLLECTOR_UP, "host") == 1
        assert value(registry, catalog.COLLECTOR_UP, "helper") is None


async def test_host_and_helper_run_from_one_configuration(registry, board):
    with real_helper(Warm()) as address:
        config = Config.model_validate(
            {
                "metrics": {"host_interval": "50ms"},
                "helper": {"mode": "external", "listen": str(address), "interval": "100ms"},
            }
        )
        async with running(hardware.run(config, board, nobody)):
            await until(lambda: value(registry, catalog.GPU_POWER_MILLIWATTS) is not None)
            await until(lambda: value(registry, catalog.CPU_USAGE_PERCENT) is not None)


BODY = readings.to_json(READING)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def test_the_body_of_a_whole_answer_is_taken():
    assert hardware.body_of(GOOD) == BODY


BAD_ANSWERS = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "an error": GOOD.replace(b"200 OK", b"500 Oops"),
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n",
    "another protocol": GOOD.replace(b"HTTP/1.1", b"HTTP/2"),
    "cut in the head": GOOD[:30],
    "cut in the body": GOOD[:-1],
    "more than it says": GOOD + b"x",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "two lengths": GOOD.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n", 1),
    "a length of letters": b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n0123456789",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_is_not_whole_is_refused(answer):
    with pytest.raises(ReadingError):
        hardware.body_of(answer)


@contextlib.contextmanager
def squatter(answer, *, closes=True):
    """Take a port and answer everything with these bytes."""
    asked, stop = threading.Event(), threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                self.request.recv(4096)
                asked.set()
                self.request.sendall(answer)
            if not closes:
                stop.wait(WAIT_S)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Address(*server.server_address), asked
        finally:
            stop.set()
            server.shutdown()
            thread.join()


async def test_a_whole_answer_is_read():
    with squatter(GOOD) as (address, _):
        assert await hardware.ask_helper(address) == BODY


async def test_an_answer_without_end_is_refused():
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (1024 * 1024)
    with squatter(endless) as (address, _), pytest.raises(ReadingError, match="longer than 256"):
        await hardware.ask_helper(address)


async def test_a_port_that_never_ends_its_answer_is_left_in_time(monkeypatch):
    monkeypatch.setattr(hardware, "_TIMEOUT_S", 0.1)
    with squatter(GOOD, closes=False) as (address, _), pytest.raises(TimeoutError):
        await hardware.ask_helper(address)


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage",
        GOOD.replace(b"33.3", b"-1.0"),
        GOOD.replace(b"33.3", b"true"),
        GOOD.replace(b'"schema_version":1', b'"schema_version":9'),
    ],
    ids=["garbage", "a negative load", "a load that is true", "another version"],
)
async def test_a_squatter_on_the_port_puts_nothing_on_the_board(registry, board, answer):
    before = scrape(registry).keys()
    with squatter(answer) as (address, _):
        async with running(hardware.watch_helper(address, board, 0.05, nobody)):
            await until(lambda: value(registry, catalog.COLLECTOR_UP, "helper") == 0)
    # Metrics that stand from birth move by themselves; none of the helper's came.
    new = {name for name, _ in scrape(registry).keys() - before}
    assert new <= {catalog.COLLECTOR_UP.name, catalog.COLLECTOR_ERRORS.name}
