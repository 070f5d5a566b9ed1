"""What the machine does: its own numbers and the helper's, onto the board.

The host is read in a thread, the helper is asked over its port; neither can delay the event loop or
a scrape. Whoever answers on the helper's port is distrusted (see `readings.from_json`). A source
that fails is `ollamon_collector_up` 0 and its values vanish after three intervals; one that this
machine lacks has no series at all.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import NoReturn

from ollamon.config.model import Address, Config, HelperMode
from ollamon.host import disk, pressure, processes, system
from ollamon.metrics import catalog
from ollamon.metrics.instruments import Board, Labels, Samples
from ollamon.proxy import intervals
from ollamon.proxy.collectors import CollectorHealth
from ollamon.proxy.energy import EnergyCounter
from ollamon.readings import MAX_BYTES, Gpu, Reading, ReadingError, State, from_json

Values = Mapping[Labels, float | None]
Derived = Callable[[Reading, float], Samples]
"""Told each reading of the helper, and when it came; returns what follows from it."""

_POLLS_SHOWN = 3
_FIRST_SPAN_S = 1.0
_TIMEOUT_S = 2.0
_MAX_HEAD = 8 * 1024
# A helper that starts beside us may need that many seconds; until then it is neither up nor down.
_PATIENCE = 10
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] 200(?: [^\r\n]*)?")
_LENGTH_FIELD = re.compile(
    rb"\r\ncontent-length:[ \t]*([0-9]{1,7})[ \t]*(?=\r\n|\Z)", re.IGNORECASE
)
_UP: Mapping[State, float | None] = {
    State.OK: 1.0,
    State.STALE: 0.0,
    State.FAILED: 0.0,
    State.STARTING: None,
    State.PERMISSION_DENIED: None,
    State.UNAVAILABLE: None,
}
_FOLDS: Mapping[catalog.Fold, Callable[[list[float]], float]] = {
    catalog.Fold.SUM: sum,
    catalog.Fold.MEAN: fmean,
}
_log = logging.getLogger(__name__)


async def run(config: Config, board: Board, attribute: Derived) -> None:
    """Read host and helper for ever. No failure of theirs ends it."""
    host = Host()

    def derive(reading: Reading, now: float) -> Samples:
        return attribute(reading, now) | gpu_process_samples(reading, host.roles)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch_host(host, board, config.metrics.host_interval))
        if config.helper.mode is not HelperMode.OFF:
            helper = config.helper
            tasks.create_task(watch_helper(helper.listen, board, helper.interval, derive))


async def watch_host(host: "Host", board: Board, interval_s: float) -> NoReturn:
    """Read the host for ever, in a thread."""
    wait_s = min(_FIRST_SPAN_S, interval_s)
    told: set[str] = set()
    lasts = _POLLS_SHOWN * interval_s
    health = CollectorHealth(board, "host")
    while True:
        health.begin()
        samples, failures = await asyncio.to_thread(host.observe)
        _show(board, samples, lasts)
        if failures:
            health.failed(lasts)
        else:
            health.worked(lasts)
        for part in failures.keys() - told:
            _log.warning("cannot read %s: %r", part, failures[part])
        told = set(failures)
        await asyncio.sleep(wait_s)
        wait_s = interval_s


async def watch_helper(
    address: Address, board: Board, interval_s: float, derive: Derived
) -> NoReturn:
    """Ask the helper for ever; every second while it may still be starting."""
    lasts = _POLLS_SHOWN * interval_s
    told, tries, was_up = "", 0, False
    health, energy = CollectorHealth(board, "helper"), Energy()
    while True:
        tries, pause_s = tries + 1, interval_s
        health.begin()
        try:
            body, moment = await ask_helper(address), time.monotonic()
            reading = await asyncio.to_thread(from_json, body)
        except Exception as error:  # noqa: BLE001 - whatever comes from there must not end this
            reason = str(error) or type(error).__name__
            is_starting = not was_up and tries < _PATIENCE
            health.failed(lasts, is_starting=is_starting)
            if not is_starting:
                if reason != told:
                    _log.warning("cannot read the helper at %s: %s", address, reason)
                told = reason
        else:
            was_up, told = True, ""
            pause_s = intervals.wait_s(reading, interval_s)
            health.worked(lasts)
            _show(board, helper_samples(reading) | energy.take(reading), lasts)
            _show(board, derive(reading, moment), lasts)
            for source, worked_at in last_successes(reading, time.time()).items():
                board.set(catalog.COLLECTOR_LAST_SUCCESS, worked_at, source)
            for collector, is_up in collectors(reading).items():
                board.set(catalog.COLLECTOR_UP, is_up, collector, lasts=lasts)
        is_starting = not was_up and tries < _PATIENCE
        await asyncio.sleep(min(1.0, interval_s) if is_starting else pause_s)


def _show(board: Board, samples: Samples, lasts: float) -> None:
    for metric, values in samples.items():
        board.replace(metric, values, lasts=lasts)


class Host:
    """Reads this machine, part by part, and remembers what rates need.

    Args:
        disks: The disk reader.
        pressure_of: The memory pressure reader; None: this system tells none.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        disks: disk.Disks | None = None,
        pressure_of: pressure.Psi | pressure.Memorystatus | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._disks = disks or disk.Disks()
        self._pressure = pressure_of or pressure.for_this_system()
        self._clock = clock
        self._cpu: system.CpuTimes | None = None
        self._disk: tuple[float, Mapping[str, disk.Counters]] | None = None
        self._disk_total = disk.Counters()
        self._ollama: tuple[float, processes.Members] | None = None
        self._ollama_s: dict[processes.Role, float] = {}
        self.roles: Mapping[int, processes.Role] = {}
        """What the processes do that were Ollama's at the last reading; replaced as a whole."""

    def observe(self) -> tuple[Samples, dict[str, Exception]]:
        """Read every part; return what is known, and the parts that failed."""
        parts: dict[str, Callable[[], Samples]] = {
            "CPU and memory": self._read_system,
            "memory pressure": self._read_pressure,
            "disks": self._read_disks,
            "the processes of Ollama": self._read_ollama,
        }
        samples: Samples = {}
        failures: dict[str, Exception] = {}
        for name, read in parts.items():
            try:
                samples |= read()
            except Exception as error:  # noqa: BLE001 - the other parts go on
                failures[name] = error
        return samples, failures

    def _read_system(self) -> Samples:
        reading = system.read()
        before, self._cpu = self._cpu, reading.cpu
        return system_samples(reading, system.cpu_ratio(before, reading.cpu))

    def _read_pressure(self) -> Samples:
        reading = None if self._pressure is None else self._pressure.read()
        return pressure_samples(reading)

    def _read_disks(self) -> Samples:
        counters, now = self._disks.read(), self._clock()
        before, self._disk = self._disk, (now, counters)
        if before is None:
            return {}
        step = disk.delta(before[1], counters)
        if step is None or now <= before[0]:
            return {}
        self._disk_total += step
        return disk_samples(step, self._disk_total, now - before[0])

    def _read_ollama(self) -> Samples:
        members, now = processes.read(), self._clock()
        before, self._ollama = self._ollama, (now, members)
        then, earlier = (now, None) if before is None else before
        for role, seconds in processes.spent_s(earlier, members).items():
            self._ollama_s[role] = self._ollama_s.get(role, 0.0) + seconds
        self.roles = {one.pid: role for role, group in members.items() for one in group}
        return ollama_samples(processes.usage(earlier, members, now - then), self._ollama_s)


def system_samples(reading: system.SystemReading, cpu_ratio: float | None) -> Samples:
    """CPU, memory and swap."""
    return {
        **_pair(catalog.CPU_USAGE_RATIO, {(): cpu_ratio}),
        **_pair(catalog.MEMORY_USED, {(): float(reading.memory_used)}),
        catalog.HOST_MEMORY_TOTAL: {(): reading.memory_total},
        catalog.HOST_SWAP_USED: {(): reading.swap_used},
    }


def pressure_samples(reading: pressure.PressureReading | None) -> Samples:
    """Memory pressure, and its word where the system has one."""
    values: Values = {} if reading is None else {(reading.source,): reading.ratio}
    return {
        **_pair(catalog.MEMORY_PRESSURE_RATIO, values),
        catalog.HOST_PRESSURE_LEVEL: {(): None if reading is None else reading.level},
    }


def disk_samples(step: disk.Counters, total: disk.Counters, span_s: float) -> Samples:
    """Rates of the last `span_s` seconds, and the sums since our start."""
    return {
        catalog.DISK_READ_RATE: {(): step.read_bytes / span_s},
        catalog.DISK_WRITE_RATE: {(): step.written_bytes / span_s},
        catalog.DISK_IOPS: {(): (step.reads + step.writes) / span_s},
        catalog.DISK_READ_BYTES: {(): total.read_bytes},
        catalog.DISK_WRITTEN_BYTES: {(): total.written_bytes},
        catalog.DISK_OPERATIONS: {("read",): total.reads, ("write",): total.writes},
    }


def ollama_samples(
    usages: Mapping[processes.Role, processes.Usage], seconds: Mapping[processes.Role, float]
) -> Samples:
    """Memory and CPU by role; `seconds` are those since our start."""
    return {
        catalog.OLLAMA_CPU_SECONDS: {(role,): value for role, value in seconds.items()},
        catalog.OLLAMA_MEMORY: {(role,): usage.memory for role, usage in usages.items()},
        catalog.OLLAMA_CPU: {(role,): usage.cpu_ratio for role, usage in usages.items()},
    }


def helper_samples(reading: Reading) -> Samples:
    """What the helper knows, in base units."""

    def each(value: Callable[[Gpu], float | None]) -> dict[Labels, float | None]:
        return {(gpu.id,): value(gpu) for gpu in reading.gpu}

    power: Values = {
        ("cpu",): _scaled(reading.cpu.power_mw, 1000),
        ("ane",): _scaled(reading.soc.ane_power_mw, 1000),
    }
    return {
        **_pair(catalog.GPU_UTILIZATION, each(lambda gpu: _scaled(gpu.utilization_percent, 100))),
        **_pair(catalog.GPU_POWER, each(lambda gpu: _scaled(gpu.power_mw, 1000))),
        **_pair(catalog.HOST_POWER, power),
        **_pair(catalog.HOST_CPU_TEMPERATURE, {(): reading.cpu.temperature_celsius}),
        catalog.GPU_INFO: {(gpu.id, gpu.vendor, gpu.name): 1.0 for gpu in reading.gpu},
        catalog.HOST_THERMAL_LEVEL: {(): reading.thermal.level},
        catalog.GPU_FREQUENCY: each(lambda gpu: _scaled(gpu.frequency_mhz, 1e-6)),
        catalog.GPU_TEMPERATURE: each(lambda gpu: gpu.temperature_celsius),
        catalog.GPU_MEMORY_USED: each(lambda gpu: gpu.memory_used_bytes),
        catalog.GPU_MEMORY_TOTAL: each(lambda gpu: gpu.memory_total_bytes),
    }


def gpu_process_samples(reading: Reading, roles: Mapping[int, processes.Role]) -> Samples:
    """What Ollama's processes have and use of each GPU, where its driver tells of processes.

    A GPU without any of them has no sample: in a container their numbers are others.
    """
    memory: dict[Labels, float | None] = {}
    use: dict[Labels, float | None] = {}
    for gpu in reading.gpu:
        for process in gpu.processes or ():
            role = roles.get(process.pid)
            if role is not None:
                _add(memory, (role, gpu.id), process.memory_used_bytes)
                _add(use, (role, gpu.id), _scaled(process.utilization_percent, 100))
    return {catalog.OLLAMA_GPU_MEMORY: memory, catalog.OLLAMA_GPU_USE: use}


def _add(sums: dict[Labels, float | None], labels: Labels, value: float | None) -> None:
    """Add to a sum, which is unknown when a part of it is."""
    before = sums.get(labels, 0.0)
    sums[labels] = None if before is None or value is None else before + value


class Energy:
    """The helper's energy, added up since our start."""

    def __init__(self) -> None:
        self._gpus = EnergyCounter()
        self._host = EnergyCounter()

    def take(self, reading: Reading) -> Samples:
        """Return the totals after one more reading."""
        gpus: Values = {(gpu.id,): gpu.energy_joules for gpu in reading.gpu}
        host: Values = {
            ("cpu",): reading.cpu.energy_joules,
            ("ane",): reading.soc.ane_energy_joules,
        }
        return {
            catalog.GPU_ENERGY: self._gpus.take(gpus),
            catalog.HOST_ENERGY: self._host.take(host),
        }


def collectors(reading: Reading) -> dict[str, float | None]:
    """Which sources of the helper work: 1, 0; None: this machine lacks it or it may not be read."""
    return {str(source): _UP[state.state] for source, state in reading.sources.items()}


def last_successes(reading: Reading, now: float) -> dict[str, float]:
    """When each source of the helper worked last, as Unix time."""
    return {
        str(source): now - state.age_seconds
        for source, state in reading.sources.items()
        if state.age_seconds is not None
    }


def _scaled(value: float | None, divisor: float) -> float | None:
    return None if value is None else value / divisor


def _pair(twin: catalog.Gauge, values: Values) -> Samples:
    """A canonical family and the seed's, from one observation."""
    seed, part = twin.twin_of, twin.part
    assert seed is not None  # noqa: S101
    known = [
        value
        for labels, value in values.items()
        if value is not None and (part is None or part in zip(twin.labels, labels, strict=True))
    ]
    folded = _FOLDS[twin.fold](known) if known else None
    return {twin: values, seed: {(): None if folded is None else twin.scale * folded}}


async def ask_helper(address: Address) -> bytes:
    """Return the body of GET /metrics. Follows nothing, and honours no proxy variable.

    Raises:
        OSError, TimeoutError: It cannot be reached, or takes longer than 2 s altogether.
        ReadingError: The answer is no success, or is longer than 256 KiB.
    """
    async with asyncio.timeout(_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            request = f"GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            return body_of(await _read_to_end(reader))
        finally:
            writer.transport.abort()


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    while piece := await reader.read(64 * 1024):
        answer += piece
        if len(answer) > MAX_BYTES + _MAX_HEAD:
            raise ReadingError("the answer is longer than 256 KiB")
    return bytes(answer)


def body_of(answer: bytes) -> bytes:
    """Return the body of a whole HTTP answer.

    Raises:
        ReadingError: It is no success, cut, or not framed by one Content-Length.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, _ = head.partition(b"\r\n")
    if not _STATUS_LINE.fullmatch(status):
        raise ReadingError("the answer is no HTTP success")
    lengths = _LENGTH_FIELD.findall(head)
    if len(lengths) != 1 or int(lengths[0]) != len(body):
        raise ReadingError("the answer is cut, or has no length")
    return body
