"""What is worth waking somebody for, each alert declared once, without I/O.

No traffic is no alert: whatever is a share or a speed asks for enough requests beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from ollamon.artifacts.prometheus import JOB
from ollamon.config.model import Alerts, Config
from ollamon.metrics import catalog
from ollamon.metrics.catalog import Counter, Gauge
from ollamon.metrics.conditions import Both, Compare, Condition, Either
from ollamon.metrics.expressions import (
    Age,
    Comparison,
    Count,
    Expression,
    Increase,
    Part,
    Quantile,
    Rate,
    Ratio,
    Sum,
    Value,
    Where,
)
from ollamon.metrics.served import served

MINUTE = 60
HOUR = 3600
WEEK = 7 * 24 * HOUR
# One Prometheus may watch many machines: each is judged by itself.
_BY_MODEL = ("instance", "model")

# A Prometheus says these of itself and of what it scrapes.
_UP = Gauge("up", "1 when a scrape worked.", ("job",))
_RULE_FAILURES = Counter("prometheus_rule_evaluation_failures_total", "Rules that failed.")
_WAL_CORRUPTIONS = Counter("prometheus_tsdb_wal_corruptions_total", "Damage of its log.")


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule.

    Attributes:
        name: As in `ALERTS{alertname=...}`; a contract with those who route alerts.
        hold_s: For how long the condition must hold before it fires.
        summary: One line; Prometheus fills in `$labels` and `$value`.
        todo: What to look at first; plain words.
    """

    name: str
    condition: Condition
    severity: Literal["critical", "warning", "info"]
    hold_s: int
    summary: str
    todo: str


def groups(config: Config) -> dict[str, tuple[Alert, ...]]:
    """Return every alert by the group that is evaluated with it, reading what is served."""
    limits = config.alerts
    found = {
        "ollamon_availability": _availability(limits),
        "ollamon_requests": _requests(limits),
        "ollamon_models": _models(limits),
        "ollamon_host": _host(limits),
        "ollamon_self": _self(),
    }
    reading = partial(served, compat=config.metrics.compat)
    return {
        name: tuple(replace(alert, condition=alert.condition.changed(reading)) for alert in alerts)
        for name, alerts in found.items()
    }


def _availability(limits: Alerts) -> Iterator[Alert]:
    yield Alert(
        "OllamonProxyDown",
        Compare(Value(_UP, (Where("job", Comparison.IS, JOB),)), "==", 0),
        "critical",
        MINUTE,
        "The metrics of ollamon's proxy cannot be scraped.",
        "`ollamon status` on that machine; clients get no answer either while the proxy is down.",
    )
    yield Alert(
        "OllamaDown",
        Compare(Value(catalog.OLLAMA_UP), "==", 0),
        "critical",
        MINUTE,
        "Ollama does not answer behind the proxy.",
        "`ollamon doctor` names the address that was asked; start Ollama there.",
    )
    yield Alert(
        "OllamonComponentDown",
        Compare(Value(catalog.COMPONENT_UP), "==", 0),
        "warning",
        MINUTE,
        "ollamon's {{ $labels.component }} is not ready.",
        "`ollamon status`, then `ollamon logs` of that component.",
    )
    yield Alert(
        "OllamonComponentFlapping",
        Compare(Increase(catalog.COMPONENT_RESTARTS, 15 * MINUTE), ">", limits.restarts),
        "warning",
        0,
        "ollamon's {{ $labels.component }} restarted "
        '{{ $value | printf "%.0f" }} times in 15 minutes.',
        "`ollamon logs` of that component shows the last words of each run.",
    )


def _requests(limits: Alerts) -> Iterator[Alert]:
    failed = Where("outcome", Comparison.MATCHES, "upstream_error|truncated|timeout")
    outcomes = catalog.REQUEST_OUTCOMES
    yield Alert(
        "OllamaErrorRatioHigh",
        Both(
            Compare(
                Ratio(
                    _by_model(Rate(outcomes, 5 * MINUTE, (failed,))),
                    _by_model(Rate(outcomes, 5 * MINUTE)),
                ),
                ">",
                limits.error_ratio,
            ),
            Compare(_by_model(Increase(outcomes, 5 * MINUTE)), ">=", 20),
        ),
        "warning",
        2 * MINUTE,
        "{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} fail.",
        "The recent requests on the page say how each ended; then Ollama's own log.",
    )
    yield Alert(
        "OllamaRequestsStalled",
        Compare(Value(catalog.STALLED_REQUESTS), ">", 0),
        "warning",
        MINUTE,
        "{{ $value }} answers have begun and bring nothing any more.",
        "A runner that hangs: `ollama ps`, and `ollama stop` of the model.",
    )
    yield Alert(
        "OllamaWaitLong",
        Compare(Value(catalog.OLDEST_WAITING), ">", limits.wait),
        "warning",
        MINUTE,
        "A request has waited {{ $value | humanizeDuration }} for its first byte.",
        "A long prompt, a model that loads, or more requests than OLLAMA_NUM_PARALLEL.",
    )
    refused = Where("status", Comparison.IS, "503")
    yield Alert(
        "OllamaOverloaded",
        Compare(Sum(Increase(catalog.REQUESTS, 5 * MINUTE, (refused,)), ("instance",)), ">", 0),
        "warning",
        0,
        "Requests are refused with 503.",
        "The queue is full: OLLAMA_MAX_QUEUE of Ollama, or the proxy's own limit.",
    )
    first = catalog.TIME_TO_FIRST_TOKEN
    yield Alert(
        "OllamaTtftHigh",
        Both(
            Compare(Quantile(0.95, first, _BY_MODEL, 10 * MINUTE), ">", limits.first_token),
            Compare(_by_model(Increase(Part(first, "count"), 10 * MINUTE)), ">=", 10),
        ),
        "warning",
        5 * MINUTE,
        "p95 time to first token of {{ $labels.model }} is {{ $value | humanizeDuration }}.",
        "Whether it waits, loads or reads the prompt: the chart of a request's parts.",
    )
    yield Alert(
        "OllamaTtftRegressed",
        Both(
            Compare(_against_week(Part(first, "sum"), Part(first, "count"), HOUR), ">", 2),
            _enough(Part(first, "count"), HOUR, 20, 200),
        ),
        "info",
        10 * MINUTE,
        "Mean time to first token of {{ $labels.model }} is "
        '{{ $value | printf "%.1f" }} times that of its own week.',
        "Longer prompts, another model in memory beside it, or less of it on the GPU.",
    )
    tokens, seconds = catalog.DECODE_TOKENS, catalog.DECODE_SECONDS
    yield Alert(
        "OllamaDecodeSlow",
        Both(
            Compare(_against_week(tokens, seconds, 15 * MINUTE), "<", limits.slow_decode),
            _enough(tokens, 15 * MINUTE, 1000, 20_000),
        ),
        "warning",
        5 * MINUTE,
        "{{ $labels.model }} decodes at {{ $value | humanizePercentage }} of its week's speed.",
        "Heat, a model that fell partly onto the CPU, or more requests at once.",
    )


def _models(limits: Alerts) -> Iterator[Alert]:
    yield Alert(
        "OllamaModelOnCpu",
        Both(
            Compare(Value(catalog.MODEL_OFFLOAD), "<", 0.99),
            Compare(Count(Value(catalog.GPU_INFO), ("instance",)), ">", 0),
            on=("instance",),
        ),
        "warning",
        MINUTE,
        "Only {{ $value | humanizePercentage }} of {{ $labels.model }} is in GPU memory.",
        "A smaller quantization or context, or unload what else is in GPU memory.",
    )
    again = Where("reason", Comparison.IS_NOT, "first")
    yield Alert(
        "OllamaReloadThrash",
        Compare(
            _by_model(Increase(catalog.MODEL_LOADS, HOUR, (again,))),
            ">",
            limits.reloads,
        ),
        "warning",
        0,
        '{{ $labels.model }} was reloaded {{ $value | printf "%.0f" }} times in an hour.',
        "keep_alive too short, too many models for the memory, or clients that ask for different "
        "context lengths.",
    )
    yield Alert(
        "OllamaPromptTruncated",
        Compare(_by_model(Increase(catalog.PROMPT_TRUNCATIONS, 15 * MINUTE)), ">", 0),
        "warning",
        0,
        "Prompts to {{ $labels.model }} seem longer than its context and were cut.",
        "Raise num_ctx (OLLAMA_CONTEXT_LENGTH), or send less.",
    )
    cached, reported = catalog.CACHED_PROMPT_TOKENS, catalog.CACHE_REPORTED_TOKENS
    yield Alert(
        "OllamaCacheHitCollapse",
        Both(
            Compare(_against_week(cached, reported, HOUR), "<", 0.25),
            Compare(_by_model(Increase(reported, HOUR)), ">=", 10_000),
        ),
        "info",
        10 * MINUTE,
        "{{ $labels.model }} reuses {{ $value | humanizePercentage }} of what it reused of its "
        "prompts in its own week.",
        "Prompts whose beginning changes with each request (a date, an id) cannot be reused.",
    )
    yield Alert(
        "OllamaBypassed",
        Compare(_by_model(Increase(catalog.MODEL_UNPROXIED_USES, HOUR)), ">", 0),
        "info",
        0,
        "{{ $labels.model }} is used without the proxy; the numbers count too few.",
        "Point that client at the proxy: `OLLAMA_HOST=127.0.0.1:11435`.",
    )


def _host(limits: Alerts) -> Iterator[Alert]:
    yield Alert(
        "HostMemoryShort",
        Either(
            Compare(Value(catalog.HOST_PRESSURE_LEVEL), ">=", 2),
            Compare(
                Ratio(Value(catalog.MEMORY_USAGE), Value(catalog.HOST_MEMORY_TOTAL)),
                ">",
                limits.memory,
            ),
        ),
        "warning",
        5 * MINUTE,
        "The machine is short of memory.",
        "Unload a model (`ollama stop`), or give it less context.",
    )
    yield Alert(
        "HostThermalPressure",
        Compare(Value(catalog.HOST_THERMAL_LEVEL), ">=", 2),
        "warning",
        2 * MINUTE,
        "The machine slows down because of heat (level {{ $value }}).",
        "Cooling; until then answers are slower.",
    )
    yield Alert(
        "GpuHot",
        Compare(Value(catalog.GPU_TEMPERATURE), ">", limits.gpu_temperature),
        "warning",
        5 * MINUTE,
        "{{ $labels.gpu }} is at {{ $value }} degrees Celsius.",
        "Cooling, or a lower power limit.",
    )


def _self() -> Iterator[Alert]:
    yield Alert(
        "OllamonCollectorDown",
        Compare(Value(catalog.COLLECTOR_UP), "==", 0),
        "warning",
        5 * MINUTE,
        "The source {{ $labels.collector }} fails.",
        "`ollamon doctor` says why.",
    )
    yield Alert(
        "OllamonCollectorStale",
        Compare(Age(Value(catalog.COLLECTOR_LAST_SUCCESS)), ">", 120),
        "warning",
        MINUTE,
        "The source {{ $labels.collector }} has given nothing for {{ $value | humanizeDuration }}.",
        "`ollamon doctor` says why.",
    )
    yield Alert(
        "OllamonUsageNotRead",
        Compare(
            Sum(Increase(catalog.EXTRACTION_ERRORS, 15 * MINUTE), ("instance", "reason")), ">", 0
        ),
        "warning",
        0,
        "Answers could not be metered ({{ $labels.reason }}); their bytes passed unchanged.",
        "A dialect that changed: please report it, with `ollamon version`.",
    )
    yield Alert(
        "OllamonLabelsDropped",
        Compare(Sum(Increase(catalog.LABELS_DROPPED, 15 * MINUTE), ("instance", "label")), ">", 0),
        "info",
        0,
        'Values of the label {{ $labels.label }} were counted under "other".',
        "More models than `metrics.max_models`, or clients that ask for models that do not exist.",
    )
    yield Alert(
        "PrometheusTroubled",
        Either(
            Compare(Increase(_RULE_FAILURES, 15 * MINUTE), ">", 0),
            Compare(Increase(_WAL_CORRUPTIONS, HOUR), ">", 0),
        ),
        "warning",
        0,
        "Prometheus reports failed rules or a damaged log.",
        "Its log; a full disk is the usual cause.",
    )


def _by_model(expression: Expression) -> Expression:
    return Sum(expression, _BY_MODEL)


def _against_week(dividend: Counter | Part, divisor: Counter | Part, window_s: int) -> Expression:
    """Return the ratio of two counters in a window, divided by the same of the week before it."""
    recent = Ratio(_by_model(Rate(dividend, window_s)), _by_model(Rate(divisor, window_s)))
    usual = Ratio(
        _by_model(Rate(dividend, WEEK, offset_s=window_s)),
        _by_model(Rate(divisor, WEEK, offset_s=window_s)),
    )
    return Ratio(recent, usual)


def _enough(counter: Counter | Part, window_s: int, recent: int, in_week: int) -> Condition:
    """Say that there was enough to compare, now and in the week before."""
    return Both(
        Compare(_by_model(Increase(counter, window_s)), ">=", recent),
        Compare(_by_model(Increase(counter, WEEK, offset_s=window_s)), ">=", in_week),
    )
