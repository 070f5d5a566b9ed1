"""What the page shows, each panel declared once, without I/O.

Six ids and their queries are the seed guide's and never change. A panel's `total` says how its
series become one number on a tile: things that add up are summed, times and levels are the worst
series; titles say which, so that no sum stands beside a maximum under the same kind of title.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from ollamon.metrics import catalog
from ollamon.metrics.expressions import (
    Comparison,
    Expression,
    Part,
    Quantile,
    Rate,
    Ratio,
    Scale,
    Sum,
    Times,
    Value,
    Where,
)


class Unit(StrEnum):
    """What a panel's numbers are."""

    SECONDS = "seconds"
    BYTES = "bytes"
    MEGABYTES = "megabytes"
    PERCENT = "percent"
    PER_SECOND = "per_second"
    TOKENS_PER_SECOND = "tokens_per_second"
    COUNT = "count"
    MILLIWATTS = "milliwatts"
    WATTS = "watts"
    JOULES_PER_TOKEN = "joules_per_token"  # noqa: S105  no secret
    CELSIUS = "celsius"
    BYTES_PER_SECOND = "bytes_per_second"


class Section(StrEnum):
    """Where on the page; in this order."""

    LATENCY = "Latency"
    LOAD = "Load and errors"
    TOKENS = "Tokens"
    MODELS = "Models"
    ENERGY = "Energy"
    HARDWARE = "Hardware"


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart, and one tile if `is_tile`.

    Attributes:
        id: Key in the API and in the page's markup.
        kind: How samples are joined: counts of things are steps.
        total: How the series become the tile's number.
        help: What the number means; plain words.
        thresholds: Where it becomes worth a look, and where it is bad.
        short: The title where there is little room, 18 characters at most; of tiles alone.
    """

    id: str
    title: str
    unit: Unit
    section: Section
    expression: Expression
    help: str
    total: Literal["sum", "max"]
    kind: Literal["line", "stepped"] = "line"
    thresholds: tuple[float, ...] = ()
    short: str = ""

    @property
    def is_tile(self) -> bool:
        """Whether it is one of the first numbers."""
        return bool(self.short)


class Limits(NamedTuple):
    """From where on two numbers are worth a look; at five times of that they are bad.

    Attributes:
        first_token_s: Seconds to the first token, p95.
        tokens_per_second: Decode speed of one request that is still fine.
    """

    first_token_s: float
    tokens_per_second: float

    def of(self, panel: Panel) -> tuple[float, ...]:
        """Return the thresholds of a panel."""
        least = {"ttft": self.first_token_s, "tpot": 1 / self.tokens_per_second}.get(panel.id)
        return panel.thresholds if least is None else (least, 5 * least)


_BY_MODEL = ("model",)
_NOT_OK = Where("outcome", Comparison.IS_NOT, "ok")

_LATENCY = (
    Panel(
        "ttft",
        "Time to first token, p95",
        Unit.SECONDS,
        Section.LATENCY,
        Quantile(0.95, catalog.TIME_TO_FIRST_TOKEN, by=_BY_MODEL),
        "Of 100 streamed answers of the last minute, 95 began within this time. Loading the model "
        "and reading the prompt are part of it.",
        "max",
        short="First token, p95",
    ),
    Panel(
        "tpot",
        "Time per output token, p95",
        Unit.SECONDS,
        Section.LATENCY,
        Quantile(0.95, catalog.TIME_PER_OUTPUT_TOKEN, by=_BY_MODEL),
        "Of 100 answers of the last minute, 95 took at most this time for each token.",
        "max",
        short="Per token, p95",
    ),
    Panel(
        "average_latency",
        "Average request duration",
        Unit.SECONDS,
        Section.LATENCY,
        Ratio(
            Rate(Part(catalog.REQUEST_DURATION, "sum")),
            Rate(Part(catalog.REQUEST_DURATION, "count")),
        ),
        "From a request's head to the last byte of its answer; mean of the last minute.",
        "max",
        short="Request, mean",
    ),
    Panel(
        "ttft_median",
        "Time to first token, median",
        Unit.SECONDS,
        Section.LATENCY,
        Quantile(0.5, catalog.TIME_TO_FIRST_TOKEN, by=_BY_MODEL),
        "Half of the streamed answers of the last minute began within this time.",
        "max",
    ),
)
_LOAD = (
    Panel(
        "active_requests",
        "Active requests",
        Unit.COUNT,
        Section.LOAD,
        Sum(Value(catalog.ACTIVE_REQUESTS)),
        "Requests in flight now.",
        "sum",
        kind="stepped",
        short="Active requests",
    ),
    Panel(
        "request_rate",
        "Requests per second",
        Unit.PER_SECOND,
        Section.LOAD,
        Rate(catalog.REQUESTS),
        "Requests that ended, over the last minute.",
        "sum",
        short="Requests",
    ),
    Panel(
        "errors",
        "Failed requests per second",
        Unit.PER_SECOND,
        Section.LOAD,
        Sum(Rate(catalog.REQUEST_OUTCOMES, where=(_NOT_OK,)), by=("outcome",)),
        "Over the last minute, by how they ended: refused, failed, cut, or left by the client.",
        "sum",
        thresholds=(0.01, 0.1),
        short="Failed requests",
    ),
)
_TOKENS = (
    Panel(
        "token_rate",
        "Generated tokens per second, all requests",
        Unit.TOKENS_PER_SECOND,
        Section.TOKENS,
        Rate(catalog.GENERATED_TOKENS),
        "Tokens of answers that ended, spread over the last minute. One answer is faster than "
        "this; see the time per output token.",
        "sum",
        short="Tokens, total",
    ),
    Panel(
        "prompt_token_rate",
        "Prompt tokens per second, all requests",
        Unit.TOKENS_PER_SECOND,
        Section.TOKENS,
        Rate(catalog.PROMPT_TOKENS),
        "Prompt tokens of requests that ended, spread over the last minute; cached ones too.",
        "sum",
    ),
)
_MODELS = (
    Panel(
        "loaded_models",
        "Memory of loaded models",
        Unit.BYTES,
        Section.MODELS,
        Value(catalog.MODEL_SIZE),
        "Memory that Ollama holds for each loaded model, on the GPU and beside it.",
        "sum",
        kind="stepped",
        short="Models loaded",
    ),
    Panel(
        "model_vram",
        "GPU memory of loaded models",
        Unit.BYTES,
        Section.MODELS,
        Value(catalog.MODEL_VRAM),
        "The part of it that lies on the GPU.",
        "sum",
        kind="stepped",
    ),
    Panel(
        "load_time",
        "Model load time, p95",
        Unit.SECONDS,
        Section.MODELS,
        Quantile(0.95, catalog.MODEL_LOAD_DURATION, by=_BY_MODEL, window_s=300),
        "What answers of the last five minutes reported; near zero when the model was in memory.",
        "max",
        thresholds=(5, 30),
    ),
)
_ENERGY = (
    Panel(
        "energy_per_token",
        "Energy per generated token",
        Unit.JOULES_PER_TOKEN,
        Section.ENERGY,
        Ratio(
            Sum(Rate(catalog.ENERGY, window_s=300), by=_BY_MODEL),
            Sum(Rate(catalog.GENERATED_TOKENS, window_s=300), by=_BY_MODEL),
        ),
        "What the GPUs, the CPU and the ANE drew above idle while a model's requests were there, "
        "for each token of the last five minutes. An estimate: what other programs drew is in it. "
        "Needs the helper.",
        "max",
    ),
    Panel(
        "model_power",
        "Power above idle",
        Unit.WATTS,
        Section.ENERGY,
        Sum(Rate(catalog.ENERGY), by=_BY_MODEL),
        "The same for each second of the last minute: of requests that run at once, each has the "
        "part that it streamed. Needs the helper.",
        "sum",
    ),
)
_HARDWARE = (
    Panel(
        "gpu",
        "GPU utilisation",
        Unit.PERCENT,
        Section.HARDWARE,
        Value(catalog.GPU_RESIDENCY_PERCENT),
        "Share of time the GPUs worked. Needs the helper.",
        "max",
        short="GPU",
    ),
    Panel(
        "memory",
        "Memory in use",
        Unit.MEGABYTES,
        Section.HARDWARE,
        Scale(Value(catalog.MEMORY_USAGE), (1024, 1024)),
        "Of this machine: total less available.",
        "sum",
        short="Memory in use",
    ),
    Panel(
        "cpu",
        "CPU use",
        Unit.PERCENT,
        Section.HARDWARE,
        Value(catalog.CPU_USAGE_PERCENT),
        "Of all cores of this machine.",
        "max",
        short="CPU",
    ),
    Panel(
        "ollama_memory",
        "Memory of Ollama's processes",
        Unit.BYTES,
        Section.HARDWARE,
        Value(catalog.OLLAMA_MEMORY),
        "What the server and its runners hold outside the GPU; mapped model files are in it.",
        "sum",
    ),
    Panel(
        "ollama_cpu",
        "CPU of Ollama's processes",
        Unit.PERCENT,
        Section.HARDWARE,
        Times(Value(catalog.OLLAMA_CPU), 100),
        "Of the server and of its runners; 100 % is one core.",
        "max",
    ),
    Panel(
        "memory_pressure",
        "Memory pressure",
        Unit.PERCENT,
        Section.HARDWARE,
        Value(catalog.MEMORY_PRESSURE_PERCENT),
        "By the system's own measure; a model that does not fit drives it up.",
        "max",
        thresholds=(80, 95),
    ),
    Panel(
        "gpu_power",
        "GPU power",
        Unit.MILLIWATTS,
        Section.HARDWARE,
        Value(catalog.GPU_POWER_MILLIWATTS),
        "Drawn by all GPUs; an estimate on Apple's chips. Needs the helper.",
        "sum",
    ),
    Panel(
        "cpu_power",
        "CPU power",
        Unit.MILLIWATTS,
        Section.HARDWARE,
        Value(catalog.CPU_POWER_MILLIWATTS),
        "Drawn by the CPU; an estimate on Apple's chips. Needs the helper.",
        "sum",
    ),
    Panel(
        "idle_power",
        "Idle power",
        Unit.WATTS,
        Section.HARDWARE,
        Value(catalog.IDLE_POWER),
        "Drawn by GPUs, CPU and ANE while no request is there; the energy of models is counted "
        "from here. Needs the helper.",
        "sum",
    ),
    Panel(
        "gpu_temperature",
        "GPU temperature",
        Unit.CELSIUS,
        Section.HARDWARE,
        Value(catalog.GPU_TEMPERATURE),
        "Of each GPU. Needs the helper.",
        "max",
        thresholds=(80, 90),
    ),
    Panel(
        "temperature",
        "CPU temperature",
        Unit.CELSIUS,
        Section.HARDWARE,
        Value(catalog.CPU_TEMPERATURE),
        "Of the CPU. Needs the helper.",
        "max",
        thresholds=(90, 100),
    ),
    Panel(
        "disk_read",
        "Disk reads",
        Unit.BYTES_PER_SECOND,
        Section.HARDWARE,
        Value(catalog.DISK_READ_RATE),
        "High while a model is loaded.",
        "sum",
    ),
    Panel(
        "disk_write",
        "Disk writes",
        Unit.BYTES_PER_SECOND,
        Section.HARDWARE,
        Value(catalog.DISK_WRITE_RATE),
        "High while a model is pulled, or memory is swapped out.",
        "sum",
    ),
)

PANELS: tuple[Panel, ...] = (*_LATENCY, *_LOAD, *_TOKENS, *_MODELS, *_ENERGY, *_HARDWARE)
"""Every panel, in the order of the page."""


def names_of(panels: Iterable[Panel] = PANELS) -> frozenset[str]:
    """The samples that panels read."""
    return frozenset().union(*(panel.expression.names for panel in panels))
