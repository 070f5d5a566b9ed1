"""Every metric that ollamon exports, declared once, without I/O.

The proxy serves all of them on /metrics; panels, `prometheus.yml` and docs/metrics.md derive from
them. Names of the seed stack are kept exactly (`origin=SEED`), and beside each that breaks the
conventions stands a canonical twin, fed by the same observation: `seed = scale * twin`.

Prefixes: `ollama_proxy_` for what passed the proxy and all seed names, `ollama_` for Ollama and its
machine, `ollamon_` for ollamon itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ollamon.compat import Compat

# Upper bounds; boundaries may be added, never removed. Local models take minutes where hosted ones
# take seconds, so the top is far beyond OpenTelemetry's 10 s for the first token.
DURATION = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90),
    *(120, 180, 300, 600, 1200, 3600),
)
FIRST_TOKEN = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5, 7.5, 10, 15, 20, 30, 45, 60, 90),
    *(120, 180, 300, 600, 1200),
)
PER_TOKEN = (
    *(0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.033, 0.05, 0.066, 0.075, 0.1),
    *(0.15, 0.2, 0.3, 0.5, 0.75, 1, 2.5),
)
TOKEN_RATE = (
    *(1, 2, 3, 5, 7.5, 10, 12.5, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500),
    *(1000, 2000),
)
LOAD = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)
GAP = (*PER_TOKEN, 5, 10, 30, 60)
TOKENS = (
    *(16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072),
    262144,
)
BODY = (100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10)
OVERHEAD = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)
CONNECT = (*OVERHEAD, 0.5, 1, 5)


class Origin(StrEnum):
    """Where a name comes from."""

    SEED = "seed"
    TWIN = "twin"
    ADDED = "added"


class Fold(StrEnum):
    """How the series of a twin become the one series of the seed's family."""

    SUM = "sum"
    MEAN = "mean"


# Compared by identity: each is declared once, and a hash of all fields costs every look-up.
@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One family.

    Attributes:
        name: As in the exposition; base unit last, `_total` for counters.
        help: One sentence.
        labels: Label names, all of bounded value sets.
        origin: Seed names are a contract and never change.
        twin_of: The seed family that a canonical one mirrors.
        scale: Seed value = scale * folded series of the twin; of a counter, their rate; of a
            histogram, 1 / value.
        fold: How the twin's series are folded.
        part: (label, value) of the only series of the twin that the seed's family mirrors.
        from_birth: Exported as 0 before the first observation; else absent while unknown.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    origin: Origin = Origin.ADDED
    twin_of: "Metric | None" = None
    scale: float = 1.0
    fold: Fold = Fold.SUM
    part: tuple[str, str] | None = None
    from_birth: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Counter(Metric):
    """Only goes up; starts again at 0 with its process."""


@dataclass(frozen=True, slots=True, eq=False)
class Gauge(Metric):
    """Goes up and down."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram(Metric):
    """Observations counted in `buckets`, upper bounds in the metric's unit.

    Attributes:
        has_exemplars: Each bucket names the last request that fell into it, in OpenMetrics.
    """

    buckets: tuple[float, ...] = ()
    has_exemplars: bool = False


def _seed_counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"ollama_proxy_{name}", text, labels, Origin.SEED, from_birth=True)


def _seed_gauge(name: str, text: str) -> Gauge:
    return Gauge(f"ollama_proxy_{name}", text, (), Origin.SEED)


def _seed_histogram(
    name: str,
    text: str,
    buckets: tuple[float, ...],
    labels: tuple[str, ...] = ("model",),
    *,
    has_exemplars: bool = False,
) -> Histogram:
    return Histogram(
        f"ollama_proxy_{name}",
        text,
        labels,
        Origin.SEED,
        from_birth=True,
        buckets=buckets,
        has_exemplars=has_exemplars,
    )


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"ollama_proxy_{name}", text, labels, from_birth=True)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"ollama_proxy_{name}", text, labels, from_birth=True, buckets=buckets)


def _twin(
    name: str,
    text: str,
    of: Metric,
    scale: float,
    *labels: str,
    fold: Fold = Fold.SUM,
    part: tuple[str, str] | None = None,
) -> Gauge:
    return Gauge(f"ollama_{name}", text, labels, Origin.TWIN, of, scale, fold, part)


REQUESTS = _seed_counter(
    "requests_total", "Requests that ended.", "method", "endpoint", "model", "status"
)
REQUEST_DURATION = _seed_histogram(
    "request_duration_seconds",
    "From the request's head to the last byte for the client.",
    DURATION,
    ("method", "endpoint", "model"),
    has_exemplars=True,
)
ACTIVE_REQUESTS = Gauge(
    "ollama_proxy_active_requests",
    "Requests in flight.",
    ("model",),
    Origin.SEED,
    from_birth=True,
)
PROMPT_TOKENS = _seed_counter(
    "prompt_tokens_total", "Prompt tokens as reported, cached ones included.", "model"
)
GENERATED_TOKENS = _seed_counter(
    "generated_tokens_total", "Generated tokens as reported, thinking included.", "model"
)
TOKENS_PER_SECOND = _seed_histogram(
    "tokens_per_second", "Decode speed of one request.", TOKEN_RATE, has_exemplars=True
)
TIME_TO_FIRST_TOKEN = _seed_histogram(
    "time_to_first_token_seconds",
    "From the request's last byte to the first token of a stream.",
    FIRST_TOKEN,
    has_exemplars=True,
)
MODEL_LOAD_DURATION = _seed_histogram(
    "model_load_duration_seconds", "Load time that an answer reported, warm ones included.", LOAD
)
CPU_USAGE_PERCENT = _seed_gauge("cpu_usage_percent", "CPU use of all cores, 0 to 100.")
MEMORY_USAGE = _seed_gauge("memory_usage_bytes", "Memory in use: total less available.")
GPU_RESIDENCY_PERCENT = _seed_gauge(
    "gpu_active_residency_percent", "Share of time the GPUs worked, 0 to 100."
)
GPU_POWER_MILLIWATTS = _seed_gauge("gpu_power_milliwatts", "Power drawn by all GPUs.")
CPU_POWER_MILLIWATTS = _seed_gauge("cpu_power_milliwatts", "Power drawn by the CPU.")
CPU_TEMPERATURE = _seed_gauge("cpu_temperature_celsius", "Temperature of the CPU.")
MEMORY_PRESSURE_PERCENT = _seed_gauge(
    "memory_pressure_percent", "Memory pressure, 0 to 100, by the system's own measure."
)
DISK_READ_RATE = _seed_gauge("disk_read_bytes_per_second", "Bytes read from disks, last interval.")
DISK_WRITE_RATE = _seed_gauge(
    "disk_write_bytes_per_second", "Bytes written to disks, last interval."
)
DISK_IOPS = _seed_gauge("disk_iops", "Disk operations per second, last interval.")

TIME_PER_OUTPUT_TOKEN = Histogram(
    "ollama_proxy_time_per_output_token_seconds",
    "Decode time for one token: 1 / tokens per second.",
    ("model",),
    Origin.TWIN,
    TOKENS_PER_SECOND,
    from_birth=True,
    buckets=PER_TOKEN,
)
CPU_USAGE_RATIO = _twin("host_cpu_usage_ratio", "CPU use, 0 to 1.", CPU_USAGE_PERCENT, 100)
MEMORY_USED = _twin("host_memory_used_bytes", "Memory in use.", MEMORY_USAGE, 1)
GPU_UTILIZATION = _twin(
    "gpu_utilization_ratio",
    "Share of time a GPU worked, 0 to 1.",
    GPU_RESIDENCY_PERCENT,
    100,
    "gpu",
    fold=Fold.MEAN,
)
GPU_POWER = _twin("gpu_power_watts", "Power drawn by a GPU.", GPU_POWER_MILLIWATTS, 1000, "gpu")
HOST_POWER = _twin(
    "host_power_watts",
    "Power by component.",
    CPU_POWER_MILLIWATTS,
    1000,
    "component",
    part=("component", "cpu"),
)
HOST_CPU_TEMPERATURE = _twin(
    "host_cpu_temperature_celsius", "Temperature of the CPU.", CPU_TEMPERATURE, 1
)
MEMORY_PRESSURE_RATIO = _twin(
    "host_memory_pressure_ratio", "Memory pressure, 0 to 1.", MEMORY_PRESSURE_PERCENT, 100, "source"
)
DISK_READ_BYTES = Counter(
    "ollama_host_disk_read_bytes_total", "Bytes read since start.", (), Origin.TWIN, DISK_READ_RATE
)
DISK_WRITTEN_BYTES = Counter(
    "ollama_host_disk_written_bytes_total",
    "Bytes written since start.",
    (),
    Origin.TWIN,
    DISK_WRITE_RATE,
)
DISK_OPERATIONS = Counter(
    "ollama_host_disk_operations_total",
    "Disk operations since start.",
    ("operation",),
    Origin.TWIN,
    DISK_IOPS,
)

REQUESTS_ACCEPTED = Counter(
    "ollama_proxy_requests_accepted_total",
    "Request heads that were understood: those that ended and those in flight.",
    from_birth=True,
)
REQUEST_OUTCOMES = Counter(
    "ollama_proxy_request_outcomes_total",
    "How requests ended.",
    ("endpoint", "model", "outcome"),
    from_birth=True,
)
REJECTIONS = Counter(
    "ollama_proxy_rejections_total",
    "Requests that the proxy refused itself.",
    ("reason",),
    from_birth=True,
)
UPSTREAM_ERRORS = Counter(
    "ollama_proxy_upstream_errors_total",
    "Failures of upstream, by what was seen.",
    ("reason",),
    from_birth=True,
)
EXTRACTION_ERRORS = Counter(
    "ollama_proxy_metric_extraction_errors_total",
    "Answers whose numbers could not be read; their bytes passed unchanged.",
    ("reason",),
    from_birth=True,
)
FINISH_REASONS = _counter(
    "finish_reasons_total", "Why models stopped, in one vocabulary.", "model", "reason"
)
USAGE_REPORTS = _counter(
    "usage_reports_total",
    "Finished generations, by whether they told their counts.",
    *("endpoint", "state"),
)
STREAMED_CHUNKS = _counter(
    "streamed_chunks_total",
    "Objects of streams from the first token on: an estimate, never mixed with tokens.",
    "model",
)
CACHED_PROMPT_TOKENS = _counter(
    "cached_prompt_tokens_total", "Prompt tokens that were taken from a cache.", "model"
)
CACHE_REPORTED_TOKENS = _counter(
    "cache_reported_prompt_tokens_total",
    "Prompt tokens of requests that told how many of them were cached.",
    "model",
)
UPSTREAM_PHASE = _counter(
    "upstream_phase_seconds_total",
    "Time in queue, load, prefill and decode, as answers reported it.",
    *("model", "phase"),
)
DECODE_TOKENS = _counter(
    "decode_tokens_total", "Tokens of which the decode time is known.", "model", "source"
)
DECODE_SECONDS = _counter(
    "decode_seconds_total", "The decode time of those tokens.", "model", "source"
)
PREFILL_TOKENS = _counter(
    "prefill_tokens_total",
    "Prompt tokens that were evaluated, and not cached, in a known time.",
    *("model", "cached"),
)
PREFILL_SECONDS = _counter(
    "prefill_seconds_total", "The evaluation time of those tokens.", "model", "cached"
)
PROMPT_TRUNCATIONS = _counter(
    "prompt_truncations_suspected_total",
    "Prompts of which the count fits into the context and the text would not have: probably cut.",
    "model",
)
REQUEST_PROMPT_TOKENS = _histogram(
    "request_prompt_tokens", "Prompt tokens of one request.", TOKENS, "model"
)
REQUEST_GENERATED_TOKENS = _histogram(
    "request_generated_tokens", "Generated tokens of one request.", TOKENS, "model"
)
TIME_TO_FIRST_ANSWER = _histogram(
    "time_to_first_answer_token_seconds",
    "From the request's last byte to the first visible token, where thinking came first.",
    FIRST_TOKEN,
    "model",
)
COLD_LOAD_DURATION = _histogram(
    "cold_load_duration_seconds", "Load time of models that were not in memory.", LOAD, "model"
)
STREAM_GAP = _histogram(
    "stream_gap_seconds", "Longest silence of a stream after its first token.", GAP
)
REQUEST_SIZE = _histogram("request_size_bytes", "Request bodies as relayed.", BODY, "endpoint")
RESPONSE_SIZE = _histogram("response_size_bytes", "Answer bodies as relayed.", BODY, "endpoint")
OVERHEAD_SECONDS = _histogram(
    "overhead_seconds",
    "Time that the proxy added to a request: to its head, and to the first read of its answer.",
    OVERHEAD,
)
UPSTREAM_CONNECT = _histogram(
    "upstream_connect_seconds", "Time to make a new connection to upstream.", CONNECT
)
REQUESTS_IN_PHASE = Gauge(
    "ollama_proxy_requests_in_phase", "Requests in flight, by what they wait for.", ("phase",)
)
OLDEST_WAITING = Gauge(
    "ollama_proxy_oldest_waiting_request_seconds",
    "Age of the oldest request to which nothing was answered yet; 0 when none waits.",
)
STALLED_REQUESTS = Gauge(
    "ollama_proxy_stalled_requests", "Answers that began and brought nothing for 60 s."
)

OLLAMA_UP = Gauge("ollama_up", "1 when the last poll of Ollama answered, else 0.")
OLLAMA_VERSION = Gauge("ollama_version_info", "Version of Ollama; always 1.", ("version",))
MODELS_INSTALLED = Gauge("ollama_models_installed", "Models that Ollama has on disk.")
MODEL_LOADED = Gauge("ollama_model_loaded", "1 while a model is in memory.", ("model",))
MODEL_SIZE = Gauge("ollama_model_size_bytes", "Memory of a loaded model.", ("model",))
MODEL_VRAM = Gauge("ollama_model_vram_bytes", "GPU memory of a loaded model.", ("model",))
MODEL_OFFLOAD = Gauge(
    "ollama_model_gpu_offload_ratio", "Share of a loaded model on the GPU.", ("model",)
)
MODEL_CONTEXT = Gauge(
    "ollama_model_context_length_tokens", "Context length of a loaded model.", ("model",)
)
MODEL_EXPIRES = Gauge(
    "ollama_model_expires_timestamp_seconds", "When a loaded model will leave memory.", ("model",)
)
MODEL_INFO = Gauge(
    "ollama_model_info",
    "What kind of model it is; always 1.",
    ("model", "family", "parameter_size", "quantization", "location"),
)
MODEL_LOADS = Counter(
    "ollama_model_loads_total",
    "Cold loads, by why the model was not in memory.",
    ("model", "reason"),
    from_birth=True,
)
MODEL_UNPROXIED_USES = Counter(
    "ollama_model_unproxied_uses_total",
    "Polls that found a model used although no request for it passed: a lower bound.",
    ("model",),
    from_birth=True,
)
OLLAMA_MEMORY = Gauge(
    "ollama_process_resident_memory_bytes", "Memory of Ollama's processes.", ("role",)
)
OLLAMA_CPU = Gauge(
    "ollama_process_cpu_usage_ratio", "CPU of Ollama's processes; 1 is one core.", ("role",)
)
OLLAMA_CPU_SECONDS = Counter(
    "ollama_process_cpu_seconds_total", "CPU time of Ollama's processes since our start.", ("role",)
)
OLLAMA_GPU_MEMORY = Gauge(
    "ollama_process_gpu_memory_bytes",
    "GPU memory of Ollama's processes, where the driver tells of processes (NVIDIA).",
    ("role", "gpu"),
)
OLLAMA_GPU_USE = Gauge(
    "ollama_process_gpu_utilization_ratio",
    "Share of time that Ollama's processes used a GPU, where the driver tells of processes.",
    ("role", "gpu"),
)
HOST_MEMORY_TOTAL = Gauge("ollama_host_memory_total_bytes", "Memory of this machine.")
HOST_SWAP_USED = Gauge("ollama_host_swap_used_bytes", "Swap in use.")
HOST_PRESSURE_LEVEL = Gauge(
    "ollama_host_memory_pressure_level",
    "Memory pressure as macOS words it: 0 normal, 1 warning, 2 critical.",
)
HOST_THERMAL_LEVEL = Gauge(
    "ollama_host_thermal_pressure_level", "Thermal pressure: 0 nominal to 4 sleeping."
)
HOST_ENERGY = Counter(
    "ollama_host_energy_joules_total", "Energy by component since our start.", ("component",)
)
GPU_INFO = Gauge("ollama_gpu_info", "A GPU; always 1.", ("gpu", "vendor", "name"))
GPU_TEMPERATURE = Gauge("ollama_gpu_temperature_celsius", "Temperature of a GPU.", ("gpu",))
GPU_MEMORY_USED = Gauge("ollama_gpu_memory_used_bytes", "GPU memory in use.", ("gpu",))
GPU_MEMORY_TOTAL = Gauge("ollama_gpu_memory_total_bytes", "Memory of a GPU.", ("gpu",))
GPU_FREQUENCY = Gauge("ollama_gpu_frequency_hertz", "Clock of a GPU.", ("gpu",))
GPU_ENERGY = Counter("ollama_gpu_energy_joules_total", "Energy of a GPU since our start.", ("gpu",))

ENERGY = Counter(
    "ollama_proxy_energy_joules_total",
    "Energy above idle since our start, by the model whose requests drew it; an estimate, see "
    "docs/hardware.md.",
    ("model",),
)
UNATTRIBUTED_ENERGY = Counter(
    "ollama_proxy_unattributed_energy_joules_total",
    "Energy above idle while no request was there.",
)
IDLE_POWER = Gauge(
    "ollama_host_idle_power_watts", "What the machine draws while no request is there."
)

BUILD_INFO = Gauge("ollamon_build_info", "This ollamon; always 1.", ("version", "python"))
COLLECTOR_UP = Gauge(
    "ollamon_collector_up", "1 when a source of numbers works, 0 when it fails.", ("collector",)
)
COLLECTOR_LAST_SUCCESS = Gauge(
    "ollamon_collector_last_success_timestamp_seconds",
    "When a source of numbers worked last.",
    ("collector",),
)
COLLECTOR_DURATION = Gauge(
    "ollamon_collector_duration_seconds", "How long its last reading took.", ("collector",)
)
COLLECTOR_ERRORS = Counter(
    "ollamon_collector_errors_total", "Readings of a source that failed.", ("collector",)
)
LABELS_DROPPED = Counter(
    "ollamon_label_values_dropped_total",
    'Observations counted under "other".',
    ("label",),
    from_birth=True,
)
COMPONENT_UP = Gauge(
    "ollamon_component_up", "1 while a process of ollamon is ready, else 0.", ("component",)
)
COMPONENT_RESTARTS = Counter(
    "ollamon_component_restarts_total",
    "Restarts of a process of ollamon, since the supervisor's start.",
    ("component",),
)
PROCESS_START = Gauge("process_start_time_seconds", "When the proxy started.")
PROCESS_CPU = Counter("process_cpu_seconds_total", "CPU time of the proxy.")
PROCESS_MEMORY = Gauge("process_resident_memory_bytes", "Memory of the proxy.")
PROCESS_FDS = Gauge("process_open_fds", "Open descriptors of the proxy.")
PROCESS_MAX_FDS = Gauge("process_max_fds", "Limit of open descriptors of the proxy.")

CATALOG: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
"""Every metric, in the order of this file."""
TWINS: Mapping[Metric, Metric] = {
    metric.twin_of: metric for metric in CATALOG if metric.twin_of is not None
}
"""Family of the seed -> its twin."""


def hidden(compat: Compat) -> frozenset[Metric]:
    """Return the families that are not served."""
    match compat:
        case Compat.BOTH:
            return frozenset()
        case Compat.SEED:
            return frozenset(TWINS.values())
        case Compat.CANONICAL:
            return frozenset(TWINS)
