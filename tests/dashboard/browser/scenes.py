"""What a dashboard could say: declared panels, ticks and histories for every state of the page."""

import copy
import math
import random
from collections.abc import Callable, Iterable
from typing import Any

from ollamon.dashboard.sources.source import RANGES_S, Span

Json = dict[str, Any]

NOW = 1_795_451_430.0
STEP_S = 5
GB = 1e9
# (share of the traffic, time to first token, time per token)
MODELS = {
    "qwen3:8b": (1.0, 0.34, 0.021),
    "llama3.2:3b": (0.6, 0.16, 0.009),
    "gpt-oss:20b": (0.35, 1.1, 0.034),
    "hf.co/unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M": (0.2, 1.7, 0.048),
}
WAITING = {
    "kind": "waiting",
    "level": "ok",
    "text": "Waiting for the first request",
    "hint": "OLLAMA_HOST=localhost:11435 ollama run llama3.2",
}
LIVE = {"kind": "live", "level": "ok", "text": "Live", "hint": ""}
STATES = {
    "live": LIVE,
    "waiting": WAITING,
    "prometheus_down": {
        "kind": "prometheus_down",
        "level": "warn",
        "text": "Live, own history: Prometheus not answering",
        "hint": "cannot reach http://127.0.0.1:9090: connection refused",
    },
    "upstream_down": {
        "kind": "upstream_down",
        "level": "down",
        "text": "Ollama not reachable at http://127.0.0.1:11434",
        "hint": "ollama serve",
    },
    "not_ollama": {
        "kind": "not_ollama",
        "level": "warn",
        "text": "Live, but the server at http://127.0.0.1:8080 is no Ollama",
        "hint": "Requests are measured; loaded models and load times stay unknown.",
    },
    "proxy_down": {
        "kind": "proxy_down",
        "level": "down",
        "text": "Proxy not reachable: connection refused",
        "hint": "ollamon status",
    },
}
HELPER_OFF = {
    "kind": "helper_off",
    "text": "GPU, power and temperature are unknown: the helper is not running",
    "hint": "ollamon up --with-helper",
}
NO_GPU = {"kind": "no_gpu", "text": "No GPU that can be read on this machine", "hint": ""}


def _panel(
    id_: str, title: str, unit: str, section: str, promql: str, total: str = "max", **more: Any
) -> Json:
    fixed = {"id": id_, "title": title, "unit": unit, "section": section, "promql": promql}
    return {
        **fixed,
        "total": total,
        "kind": "line",
        "help": f"What {title.lower()} means, in plain words.",
        "tile": False,
        "short": "",
        "thresholds": [],
        **more,
    }


PANELS = [
    _panel("ttft", "Time to first token, p95", "seconds", "Latency",
           "histogram_quantile(0.95, sum by (model, le) "
           "(rate(ollama_proxy_time_to_first_token_seconds_bucket[1m])))",
           tile=True, thresholds=[2, 10]),
    _panel("tpot", "Time per output token, p95", "seconds", "Latency",
           "histogram_quantile(0.95, sum by (model, le) "
           "(rate(ollama_proxy_time_per_output_token_seconds_bucket[1m])))",
           tile=True, thresholds=[0.1, 0.5]),
    _panel("average_latency", "Average request duration", "seconds", "Latency",
           "rate(ollama_proxy_request_duration_seconds_sum[1m]) / "
           "rate(ollama_proxy_request_duration_seconds_count[1m])", tile=True),
    _panel("active_requests", "Active requests", "count", "Load and errors",
           "sum(ollama_proxy_active_requests)", "sum", tile=True, kind="stepped"),
    _panel("request_rate", "Requests per second", "per_second", "Load and errors",
           "rate(ollama_proxy_requests_total[1m])", "sum", tile=True),
    _panel("errors", "Failed requests per second", "per_second", "Load and errors",
           "sum by (outcome) (rate(ollama_proxy_request_outcomes_total{outcome!=\"ok\"}[1m]))",
           "sum", tile=True, thresholds=[0.01, 0.1]),
    _panel("token_rate", "Generated tokens per second, all requests", "tokens_per_second",
           "Tokens", "rate(ollama_proxy_generated_tokens_total[1m])", "sum", tile=True),
    _panel("prompt_token_rate", "Prompt tokens per second, all requests", "tokens_per_second",
           "Tokens", "rate(ollama_proxy_prompt_tokens_total[1m])", "sum"),
    _panel("loaded_models", "Memory of loaded models", "bytes", "Models",
           "ollama_model_size_bytes", "sum", tile=True, kind="stepped"),
    _panel("gpu", "GPU utilisation", "percent", "Hardware",
           "ollama_proxy_gpu_active_residency_percent", tile=True),
    _panel("memory", "Memory in use", "megabytes", "Hardware",
           "ollama_proxy_memory_usage_bytes / 1024 / 1024", "sum", tile=True),
    _panel("cpu", "CPU use", "percent", "Hardware", "ollama_proxy_cpu_usage_percent", tile=True),
    _panel("gpu_power", "GPU power", "milliwatts", "Hardware",
           "ollama_proxy_gpu_power_milliwatts", "sum"),
    _panel("disk_read", "Disk reads", "bytes_per_second", "Hardware",
           "ollama_proxy_disk_read_bytes_per_second", "sum"),
]  # fmt: skip


def _wave(t: float, period_s: float, seed: float) -> float:
    """Between 0 and 1, restless but always the same for the same time."""
    noise = random.Random(f"{int(t)} {seed}").random()
    slow = 0.5 + 0.5 * math.sin(2 * math.pi * (t / period_s + seed))
    return 0.75 * slow + 0.25 * noise


def _by_model(value: Callable[[float, float, float, float], float], t: float) -> Json:
    """`value` of each model's share, first token, time per token and restlessness."""
    return {
        name: round(value(*habits, _wave(t, 700 + 90 * i, i / 3)), 5)
        for i, (name, habits) in enumerate(MODELS.items())
    }


def values(t: float) -> dict[str, Json]:
    """Every panel's values at a time, on a machine with a GPU."""
    load = _wave(t, 600, 0.2)
    latency = _by_model(lambda _, first, per_token, w: first + 220 * per_token * (0.7 + w), t)
    rates = _by_model(lambda share, _first, _token, w: 0.25 * share * (0.4 + w), t)
    failed = 0.02 if int(t / 60) % 9 == 0 else 0.0
    return {
        "ttft": _by_model(lambda _, first, _token, w: first * (0.7 + 0.9 * w), t),
        "tpot": _by_model(lambda _, _first, per_token, w: per_token * (0.9 + 0.35 * w), t),
        "average_latency": {f"{name} POST /api/chat": v for name, v in latency.items()},
        "active_requests": {"all": round(4 * load)},
        "request_rate": {f"{name} POST /api/chat 200": v for name, v in rates.items()},
        "errors": {"client_gone": failed / 2, "upstream_error": failed},
        "token_rate": _by_model(lambda share, _, per_token, w: share * w * 0.6 / per_token, t),
        "prompt_token_rate": _by_model(lambda share, _, _token, w: 420 * share * w, t),
        "loaded_models": {"qwen3:8b": 6.6 * GB, "gpt-oss:20b": 14.1 * GB},
        "gpu": {"all": round(100 * min(1, 0.15 + load), 1)},
        "memory": {"all": round(21_400 + 2600 * load)},
        "cpu": {"all": round(6 + 22 * load, 1)},
        "gpu_power": {"all": round(9000 + 42_000 * load)},
        "disk_read": {"all": round(2.4e6 * load**6)},
    }


def models(t: float) -> list[Json]:
    """One wholly on the GPU, one in part."""
    return [
        {
            "name": "gpt-oss:20b",
            "size_bytes": 14.1 * GB,
            "vram_bytes": 10.3 * GB,
            "offload_ratio": 0.73,
            "context_length": 8192,
            "expires": t + 41,
        },
        {
            "name": "qwen3:8b",
            "size_bytes": 6.6 * GB,
            "vram_bytes": 6.6 * GB,
            "offload_ratio": 1,
            "context_length": 32768,
            "expires": t + 272,
        },
    ]


def ended(seq: int, t: float, **fields: Any) -> Json:
    """A request that ended at a time."""
    name = list(MODELS)[seq % len(MODELS)]
    _, first_s, per_token_s = MODELS[name]
    outcome = {7: "client_abort", 11: "upstream_error"}.get(seq % 13, "ok")
    return {
        **{"seq": seq, "id": seq, "ended_at": t, "model": name, "outcome": outcome},
        **{"method": "POST", "endpoint": "/api/chat", "status": "200", "client": "openai-python"},
        **{"finish": "stop", "is_stream": True, "duration_s": 3.4, "joules": 120.5},
        "time_to_first_token_s": first_s,
        "tokens_per_second": round(1 / per_token_s, 1),
        **{"prompt_tokens": 1234, "cached_tokens": None, "generated_tokens": 210},
        **{"load_s": None, "prefill_s": 0.2, "decode_s": 2.0, **fields},
    }


def running(id_: int, phase: str, **fields: Any) -> Json:
    """A request in flight."""
    is_on = phase == "generating"
    return {
        **{"id": id_, "method": "POST", "endpoint": "/api/chat", "model": "qwen3:8b"},
        **{"client": "ollama", "age_s": 12.4, "phase": phase, "chunks": 87 if is_on else 0},
        "chunks_per_second": 46.2 if is_on else None,
        **fields,
    }


class Scene:
    """A state of the dashboard, and what it has seen before.

    Args:
        absent: Panels that never had a value.
        is_empty: No request has ever passed.
        since_s: How long the history is.
        gap: Seconds before now, from and to, when nothing was seen.
    """

    def __init__(
        self,
        state: str = "live",
        *,
        notes: Iterable[Json] = (),
        absent: Iterable[str] = (),
        is_empty: bool = False,
        is_demo: bool = False,
        source: str = "prometheus",
        since_s: float = 7200,
        gap: tuple[float, float] | None = None,
        now: float = NOW,
    ) -> None:
        self.now = now
        self.status = copy.deepcopy(STATES[state])
        self.notes = list(notes)
        self.absent = set(absent)
        self.is_empty = is_empty
        self.is_demo = is_demo
        self.source = source
        self.since_s = since_s
        self.gap = gap
        self.panels: dict[str, Json] = {}
        self.models: list[Json] | None = None
        self.requests = (
            [] if is_empty else [ended(seq, now - 9 * (250 - seq)) for seq in range(250)]
        )
        self.in_flight = [] if is_empty else [running(900, "generating"), running(901, "queued")]

    def at(self, t: float) -> dict[str, Json]:
        """Values at a time; `panels` replaces some."""
        ago = self.now - t
        is_gap = self.gap is not None and self.gap[1] <= ago <= self.gap[0]
        if ago > self.since_s or is_gap:
            return {panel["id"]: {} for panel in PANELS}
        found = {**values(t), **self.panels}
        hidden = set(self.absent)
        if self.is_empty:
            hidden |= {panel["id"] for panel in PANELS if panel["section"] != "Hardware"}
        return {id_: {} if id_ in hidden else series for id_, series in found.items()}

    def tick(self) -> Json:
        """The newest."""
        loaded = models(self.now) if self.models is None else self.models
        return {
            "v": 1,
            "t": self.now,
            "interval_s": STEP_S,
            "demo": self.is_demo,
            "source": self.source,
            "status": self.status,
            "notes": self.notes,
            "panels": self.at(self.now),
            "models": [] if self.is_empty else loaded,
        }

    def step(self) -> Json:
        """Go on by one tick and return it."""
        self.now += STEP_S
        return self.tick()

    def history(self, name: str) -> Json:
        """All series over a range."""
        return self.stretch(self.now - RANGES_S[name], self.now)

    def stretch(self, start: float, end: float) -> Json:
        """All series between two moments."""
        span = Span.of(end, end - start, STEP_S)
        times = [end - span.step_s * i for i in range(span.points, -1, -1)]
        rows = [self.at(t) for t in times]
        panels: dict[str, Json] = {}
        for id_ in rows[-1]:
            names = sorted({name for row in rows for name in row.get(id_, {})})
            series = {name: [row.get(id_, {}).get(name) for row in rows] for name in names}
            panels[id_] = {"series": series}
        return {"v": 1, "t": times, "step_s": span.step_s, "panels": panels}
