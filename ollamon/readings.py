"""The helper's JSON, version 1: what it writes and what the proxy accepts, without I/O.

Anybody on this machine may take the helper's port while it is down, so `from_json` trusts nothing:
size, types, ranges and words are checked, names are cleaned, and one wrong value refuses the whole
answer. Our helper checks its values by the same ranges before it writes, so such an answer is not
its own. Unknown is None, never 0. Keys that are not listed here are passed over.
"""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, NoReturn, TypeVar

SCHEMA_VERSION = 1
MAX_BYTES = 256 * 1024
MAX_GPUS = 32
MAX_PROCESSES = 32
"""Of one GPU."""
MAX_NAME = 64
MAX_DETAIL = 200

_UNSAFE_NAME = re.compile(r"[^\w .()/-]", re.ASCII)
_UNSAFE_DETAIL = re.compile(r"[^\w .,:;%()/\[\]'-]", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_Word = TypeVar("_Word", bound=StrEnum)


class ReadingError(ValueError):
    """An answer is not version 1 of the helper's JSON; the text begins with the key path."""


class Source(StrEnum):
    """Where a value comes from; the names that may be labels."""

    POWERMETRICS = "powermetrics"
    IOHID = "iohid"
    SMC = "smc"
    OSX_CPU_TEMP = "osx-cpu-temp"
    IOREG = "ioreg"
    MACMON = "macmon"
    RAPL = "rapl"
    HWMON = "hwmon"
    NVIDIA = "nvidia"
    AMDGPU = "amdgpu"
    INTEL = "intel"


class State(StrEnum):
    """How a source fares."""

    STARTING = "starting"
    OK = "ok"
    STALE = "stale"
    FAILED = "failed"
    PERMISSION_DENIED = "permission_denied"
    UNAVAILABLE = "unavailable"


class Vendor(StrEnum):
    """Who made a GPU."""

    APPLE = "apple"
    NVIDIA = "nvidia"
    AMD = "amd"
    INTEL = "intel"


class Pressure(StrEnum):
    """Thermal pressure as macOS words it; its level is the place in this list."""

    NOMINAL = "nominal"
    MODERATE = "moderate"
    HEAVY = "heavy"
    TRAPPING = "trapping"
    SLEEPING = "sleeping"

    @property
    def level(self) -> int:
        """0 for nominal to 4 for sleeping."""
        return list(Pressure).index(self)


class System(StrEnum):
    """The operating system."""

    DARWIN = "darwin"
    LINUX = "linux"
    OTHER = "other"


class Range(NamedTuple):
    """The plausible values of a field, both ends included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Say whether a value is finite and plausible."""
        return math.isfinite(value) and self.low <= value <= self.high


_POWER = Range(0, 2_000_000)
_ENERGY = Range(0, 1e12)
_BYTES = Range(0, 2**53)
_SPAN = Range(0, 1e10)
RANGES: Mapping[str, Range] = {
    "utilization_percent": Range(0, 100),
    "power_mw": _POWER,
    "ane_power_mw": _POWER,
    "combined_power_mw": _POWER,
    "energy_joules": _ENERGY,
    "ane_energy_joules": _ENERGY,
    "temperature_celsius": Range(5, 130),
    "frequency_mhz": Range(0, 20_000),
    "memory_used_bytes": _BYTES,
    "memory_total_bytes": _BYTES,
    "age_seconds": _SPAN,
    "uptime_seconds": _SPAN,
    "interval_seconds": Range(0.1, 3600),
    "level": Range(0, 4),
    "samples": _BYTES,
    "parse_errors": _BYTES,
    "restarts": _BYTES,
    "pid": Range(1, 2**31),
}
"""Field -> its range, for the helper before it writes and for the proxy when it reads."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The machine, and whether the helper runs as root."""

    system: System
    release: str
    arch: str
    model: str | None
    privileged: bool


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that computes on a GPU: a number, no name. Memory in bytes."""

    pid: int
    memory_used_bytes: int | None = None
    utilization_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. Power in mW, memory in bytes, frequency in MHz, energy since the helper's start.

    Attributes:
        processes: Those that the driver tells of; None: it tells none of any.
    """

    id: str
    vendor: Vendor
    name: str
    integrated: bool | None = None
    utilization_percent: float | None = None
    power_mw: float | None = None
    energy_joules: float | None = None
    temperature_celsius: float | None = None
    frequency_mhz: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    source: Source | None = None
    age_seconds: float | None = None
    processes: tuple[GpuProcess, ...] | None = None


@dataclass(frozen=True, slots=True)
class Cpu:
    """All CPU packages together."""

    power_mw: float | None = None
    energy_joules: float | None = None
    temperature_celsius: float | None = None
    power_source: Source | None = None
    temperature_source: Source | None = None
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Soc:
    """What only a system on a chip tells; combined is CPU, GPU and ANE together."""

    ane_power_mw: float | None = None
    ane_energy_joules: float | None = None
    combined_power_mw: float | None = None
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Thermal:
    """How hard the system throttles."""

    pressure: Pressure | None = None
    level: int | None = None
    source: Source | None = None
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source fares.

    Attributes:
        detail: One of the helper's own sentences: why it does not work, and what would repair it.
        samples: Successful reads.
        parse_errors: Values that made no sense.
        restarts: How often it worked again after a failure.
    """

    state: State = State.STARTING
    detail: str | None = None
    samples: int = 0
    parse_errors: int = 0
    restarts: int = 0
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the helper knows at one moment."""

    helper_version: str
    timestamp: str
    uptime_seconds: float
    interval_seconds: float
    platform: Platform
    gpu: tuple[Gpu, ...] = ()
    cpu: Cpu = Cpu()
    soc: Soc = Soc()
    thermal: Thermal = Thermal()
    sources: Mapping[Source, SourceState] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION


def to_json(reading: Reading) -> bytes:
    """Write a reading as `from_json` reads it. Raises ValueError: a number is not finite."""
    document = dataclasses.asdict(reading)
    document = {"schema_version": document.pop("schema_version"), **document}
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def from_json(body: bytes) -> Reading:
    """Read an answer that may come from anybody.

    Raises:
        ReadingError: Longer than 256 KiB, no JSON, another version, or a key is missing or wrong.
    """
    root = _Table(_load(body), "")
    if type(version := root.take("schema_version")) is not int or version != SCHEMA_VERSION:
        root.refuse("schema_version", f"expected {SCHEMA_VERSION}")
    timestamp = root.take("timestamp")
    if not isinstance(timestamp, str) or not _TIMESTAMP.fullmatch(timestamp):
        root.refuse("timestamp", "expected a UTC time with milliseconds")
    return Reading(
        helper_version=root.name("helper_version"),
        timestamp=timestamp,
        uptime_seconds=root.known_number("uptime_seconds"),
        interval_seconds=root.known_number("interval_seconds"),
        platform=_platform(root.table("platform")),
        gpu=_gpus(root),
        cpu=_cpu(root.table("cpu")),
        soc=_soc(root.table("soc")),
        thermal=_thermal(root.table("thermal")),
        sources=_sources(root.table("sources")),
    )


def clean_name(text: str) -> str:
    """Return a name that is safe as a label and on a terminal, of at most 64 characters."""
    return _UNSAFE_NAME.sub("_", text[:MAX_NAME])


def _load(body: bytes) -> object:
    if len(body) > MAX_BYTES:
        raise ReadingError(f"the answer is longer than {MAX_BYTES} bytes")
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ReadingError("the answer is no JSON") from None


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


class _Table:
    """A JSON object, read key by key. Every refusal names the path, and quotes nothing foreign."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise ReadingError(f"{path or 'the answer'}: expected an object")
        self.values: dict[str, object] = value
        self._path = path

    def refuse(self, key: str, reason: str) -> NoReturn:
        """Raise ReadingError for a key."""
        raise ReadingError(f"{self._at(key)}: {reason}")

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def take(self, key: str) -> object:
        if key not in self.values:
            self.refuse(key, "missing")
        return self.values[key]

    def table(self, key: str) -> "_Table":
        return _Table(self.take(key), self._at(key))

    def number(self, key: str) -> float | None:
        value = self.take(key)
        if value is None:
            return None
        # bool is an int, and 10**400 cannot become a float: compare first, convert later.
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "expected a number or null")
        limits = RANGES[key]
        if not limits.low <= value <= limits.high:
            self.refuse(key, f"expected {limits.low:g} to {limits.high:g}")
        return float(value)

    def known_number(self, key: str) -> float:
        value = self.number(key)
        if value is None:
            self.refuse(key, "expected a number")
        return value

    def whole(self, key: str) -> int | None:
        value = self.number(key)
        if value is None:
            return None
        if not value.is_integer():
            self.refuse(key, "expected a whole number")
        return int(value)

    def known_whole(self, key: str) -> int:
        value = self.whole(key)
        if value is None:
            self.refuse(key, "expected a whole number")
        return value

    def name(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str):
            self.refuse(key, "expected text")
        return clean_name(value)

    def optional_name(self, key: str) -> str | None:
        return None if self.take(key) is None else self.name(key)

    def flag(self, key: str) -> bool | None:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, "expected true, false or null")
        return value

    def word(self, key: str, words: type[_Word]) -> _Word | None:
        value = self.take(key)
        if value is None:
            return None
        # A list or an object is no key of an enum, and an unhashable one raises TypeError.
        if not isinstance(value, str) or value not in set(words):
            self.refuse(key, "unknown word")
        return words(value)

    def known_word(self, key: str, words: type[_Word]) -> _Word:
        value = self.word(key, words)
        if value is None:
            self.refuse(key, "expected a word")
        return value


def _platform(table: _Table) -> Platform:
    return Platform(
        system=table.known_word("system", System),
        release=table.name("release"),
        arch=table.name("arch"),
        model=table.optional_name("model"),
        privileged=table.flag("privileged") is True,
    )


def _gpus(root: _Table) -> tuple[Gpu, ...]:
    items = root.take("gpu")
    if not isinstance(items, list) or len(items) > MAX_GPUS:
        root.refuse("gpu", f"expected a list of at most {MAX_GPUS}")
    gpus = tuple(_gpu(_Table(item, f"gpu[{index}]")) for index, item in enumerate(items))
    if len({gpu.id for gpu in gpus}) < len(gpus):
        root.refuse("gpu", "an id occurs twice")
    return gpus


def _gpu(table: _Table) -> Gpu:
    vendor = table.known_word("vendor", Vendor)
    identity = table.take("id")
    if not isinstance(identity, str) or not re.fullmatch(
        rf"{vendor}[0-9]{{1,3}}", identity, re.ASCII
    ):
        table.refuse("id", "expected the vendor and an index")
    return Gpu(
        id=identity,
        vendor=vendor,
        name=table.name("name"),
        integrated=table.flag("integrated"),
        utilization_percent=table.number("utilization_percent"),
        power_mw=table.number("power_mw"),
        energy_joules=table.number("energy_joules"),
        temperature_celsius=table.number("temperature_celsius"),
        frequency_mhz=table.number("frequency_mhz"),
        memory_used_bytes=table.whole("memory_used_bytes"),
        memory_total_bytes=table.whole("memory_total_bytes"),
        source=table.word("source", Source),
        age_seconds=table.number("age_seconds"),
        processes=_processes(table),
    )


def _processes(table: _Table) -> tuple[GpuProcess, ...] | None:
    # A helper of an earlier release does not have this key.
    items = table.values.get("processes")
    if items is None:
        return None
    if not isinstance(items, list) or len(items) > MAX_PROCESSES:
        table.refuse("processes", f"expected a list of at most {MAX_PROCESSES}, or null")
    return tuple(_process(_Table(item, "processes")) for item in items)


def _process(table: _Table) -> GpuProcess:
    return GpuProcess(
        pid=table.known_whole("pid"),
        memory_used_bytes=table.whole("memory_used_bytes"),
        utilization_percent=table.number("utilization_percent"),
    )


def _cpu(table: _Table) -> Cpu:
    return Cpu(
        power_mw=table.number("power_mw"),
        energy_joules=table.number("energy_joules"),
        temperature_celsius=table.number("temperature_celsius"),
        power_source=table.word("power_source", Source),
        temperature_source=table.word("temperature_source", Source),
        age_seconds=table.number("age_seconds"),
    )


def _soc(table: _Table) -> Soc:
    return Soc(
        ane_power_mw=table.number("ane_power_mw"),
        ane_energy_joules=table.number("ane_energy_joules"),
        combined_power_mw=table.number("combined_power_mw"),
        age_seconds=table.number("age_seconds"),
    )


def _thermal(table: _Table) -> Thermal:
    return Thermal(
        pressure=table.word("pressure", Pressure),
        level=table.whole("level"),
        source=table.word("source", Source),
        age_seconds=table.number("age_seconds"),
    )


def _sources(table: _Table) -> dict[Source, SourceState]:
    if not table.values.keys() <= set(Source):
        raise ReadingError("sources: unknown source")
    return {Source(name): _source_state(table.table(name)) for name in table.values}


def _source_state(table: _Table) -> SourceState:
    detail = table.take("detail")
    if detail is not None and not isinstance(detail, str):
        table.refuse("detail", "expected text or null")
    return SourceState(
        state=table.known_word("state", State),
        detail=None if detail is None else _UNSAFE_DETAIL.sub("_", detail[:MAX_DETAIL]),
        samples=table.known_whole("samples"),
        parse_errors=table.known_whole("parse_errors"),
        restarts=table.known_whole("restarts"),
        age_seconds=table.number("age_seconds"),
    )
