"""Every section, key and default of ollamon.toml, without I/O. The only place that knows a default.

Durations are seconds and sizes bytes once validated; in the file they are text with a unit, and so
are the defaults here. A section is handed to its child as JSON and validated there by this model.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ollamon.compat import Compat
from ollamon.config.naming import STACK, STACK_PATTERN
from ollamon.config.values import (
    Address,
    Duration,
    Listen,
    OptionalUrl,
    Period,
    Periods,
    Size,
    Then,
    Url,
)


class Section(BaseModel):
    """A table of the file: frozen, strict, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_default=True)


def _text(default: str, description: str) -> Any:
    """A default written as a person writes it; the validator turns it into its type."""
    return Field(default=default, description=description)


def _text_map(description: str) -> Any:
    """A table without entries, by child."""
    return Field(default={}, description=description)


Names = Annotated[tuple[str, ...], Field(strict=False)]


class OllamaMode(StrEnum):
    """Who runs Ollama."""

    AUTO = "auto"
    MANAGED = "managed"
    EXTERNAL = "external"
    OFF = "off"


class Ollama(Section):
    """The LLM server behind the proxy: a child of ours, or somebody else's that is left alone."""

    mode: OllamaMode = Field(
        OllamaMode.AUTO,
        strict=False,
        description="managed (a child of ours), external, off (the server is no Ollama and is not "
        "polled), or auto: managed if nothing answers at url and nothing else here starts one.",
    )
    url: Url = Field("http://127.0.0.1:11434", description="Where Ollama listens.")
    takeover_url: Url = Field(
        "http://127.0.0.1:11436",
        description="Where Ollama listens with `up --takeover`, when the proxy is where url says.",
    )
    binary: str = Field("ollama", min_length=1, description="Name on PATH, or path.")
    env: Mapping[str, str] = Field(
        {}, description="Variables for a managed Ollama; OLLAMA_HOST comes from url."
    )

    @property
    def is_managed(self) -> bool:
        """A child of ours. Only once "auto" is decided, which `services.stack` does."""
        return self.mode is OllamaMode.MANAGED


class Proxy(Section):
    """The streaming proxy that clients talk to, and its metrics."""

    listen: Listen = _text("127.0.0.1:11435", "Where clients connect.")
    metrics_listen: Listen = _text("127.0.0.1:8001", "Where /metrics is served.")
    allowed_hosts: Names = Field(
        (), description='Further Host names of clients; "*" lets every name in.'
    )
    drain_timeout: Duration = _text("25s", "How long open streams may finish when stopping.")
    preserve_host: bool = Field(
        False, description="Pass the client's Host on, instead of upstream's own."
    )
    inject_usage: bool = Field(
        False,
        description="Ask OpenAI chat streams for their token counts; clients do not see it.",
    )
    upstream_host: str = Field("", description="Host to send upstream; empty: the one of its URL.")
    recent_requests: int = Field(
        20_000,
        ge=100,
        le=1_000_000,
        description="Ended requests that are held for the dashboard; 101 bytes each.",
    )


class Metrics(Section):
    """What is measured, and how finely."""

    max_models: int = Field(
        25, ge=1, le=200, description="Installed models with series of their own."
    )
    host_interval: Period = _text("10s", "How often CPU, memory and disk are read.")
    compat: Compat = Field(
        Compat.BOTH,
        strict=False,
        description="Names that are served: both; seed: no canonical twins; canonical: no seed "
        "names that have a twin.",
    )


class HelperMode(StrEnum):
    """Who runs the helper."""

    OFF = "off"
    ON = "on"
    EXTERNAL = "external"


class RunAs(StrEnum):
    """With whose rights the helper runs."""

    USER = "user"
    ROOT = "root"


class Helper(Section):
    """The hardware helper: GPU, power, temperature."""

    mode: HelperMode = Field(
        HelperMode.OFF,
        strict=False,
        description="off, on (a child of ours), or external (somebody else starts it).",
    )
    listen: Listen = _text("127.0.0.1:8002", "Where it answers; loopback only.")
    interval: Period = _text("5s", "How often it samples.")
    run_as: RunAs = Field(
        RunAs.USER,
        strict=False,
        description="user, or root: started through sudo; on Linux it gives root up again.",
    )
    trust_user_files: bool = Field(
        False,
        description="With root: although this installation can be changed without being root.",
    )


class PrometheusMode(StrEnum):
    """Where history is kept."""

    AUTO = "auto"
    MANAGED = "managed"
    EXTERNAL = "external"
    EMBEDDED = "embedded"


class Prometheus(Section):
    """History: a Prometheus of ours, one that runs already, or a file of the dashboard's own."""

    mode: PrometheusMode = Field(
        PrometheusMode.AUTO,
        strict=False,
        description="managed, external, embedded, or auto: managed if the binary is found.",
    )
    url: OptionalUrl = Field("", description="The engine to ask when mode is external.")
    binary: str = Field("prometheus", min_length=1, description="Name on PATH, or path.")
    listen: Listen = _text("127.0.0.1:9090", "Where our own Prometheus listens.")
    scrape_interval: Period = _text("5s", "How often it scrapes.")
    retention_time: Period = _text("15d", "How long it keeps samples.")
    retention_size: Size = _text("2GB", "How much disk it may use.")

    @property
    def engine_url(self) -> str:
        """The engine that the dashboard asks; "" when it keeps history itself."""
        match self.mode:
            case PrometheusMode.EXTERNAL:
                return self.url
            case PrometheusMode.MANAGED:
                return self.listen.url
            case _:
                return ""


class Dashboard(Section):
    """The page."""

    listen: Listen = _text("127.0.0.1:3001", "Where the page is served.")
    allowed_hosts: Names = Field((), description="Further Host names that browsers may use.")
    interval: Period = _text("5s", "How often the page gets new values.")
    first_token_limit: Period = _text(
        "2s", "Time to first token, p95, that is worth a look; five times of it is bad."
    )
    token_speed_limit: float = Field(
        10.0, gt=0, description="Tokens per second of one request, likewise; a fifth is bad."
    )
    history_size: Size = _text("200MB", "Disk for samples of up to 90 days; the oldest go first.")
    max_clients: int = Field(200, ge=1, le=10_000, description="Pages that may be open at once.")
    requests_age: Period = _text("30d", "How long ended requests are kept, as numbers only.")
    requests_rows: int = Field(
        100_000, ge=100, le=10_000_000, description="How many ended requests are kept at most."
    )


class Alerts(Section):
    """Where the alert rules draw their lines; `ollamon export alerts` prints them."""

    error_ratio: float = Field(
        0.05, gt=0, lt=1, description="Share of requests that fail, over 5 minutes."
    )
    first_token: Period = _text("30s", "Time to first token, p95 over 10 minutes.")
    wait: Period = _text("5m", "How long one request may wait for its first byte.")
    slow_decode: float = Field(
        0.5, gt=0, lt=1, description="Decode speed of 15 minutes, as a share of the last week's."
    )
    reloads: int = Field(6, ge=1, description="Reloads of one model in an hour.")
    restarts: int = Field(3, ge=1, description="Restarts of one of our processes in 15 minutes.")
    memory: float = Field(0.95, gt=0, lt=1, description="Share of the machine's memory in use.")
    gpu_temperature: float = Field(90, gt=0, lt=200, description="Degrees Celsius of a GPU.")


class Demo(Section):
    """The simulated Ollama of `ollamon up --demo`."""

    enabled: bool = Field(False, description="Run it, and watch it instead of ollama.url.")
    listen: Listen = _text("127.0.0.1:11439", "Where the simulated Ollama listens.")


class Policy(StrEnum):
    """When an end that nobody asked for is followed by another start."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Children(Section):
    """How children are started, restarted and stopped."""

    restart: Policy = Field(
        Policy.ALWAYS,
        strict=False,
        description="always, on-failure or never: after which end a child is started again.",
    )
    backoff: Period = _text("200ms", "Pause before a restart; it doubles with each failure.")
    backoff_max: Period = _text("30s", "The longest such pause.")
    stable_after: Period = _text("30s", "Ready for so long, a child begins at no pause again.")
    give_up: int = Field(
        6, ge=1, le=1000, description="Ends within children.within that make a child failed."
    )
    within: Period = _text("2m", "See give_up; an end before the first readiness counts double.")
    then: Then = Field(
        "retry:5m", description="After giving up: retry:DURATION, stay, or shutdown of the stack."
    )
    start_timeout: Periods = _text_map(
        "How long a child may take until it is ready, where its own limit does not fit."
    )
    stop_timeout: Periods = _text_map(
        "How long a child may take to stop before SIGKILL, where its own limit does not fit."
    )


class Orphans(StrEnum):
    """What becomes of the processes of a dead run; none is touched that is not proven ours."""

    KILL = "kill"
    ASK = "ask"
    REFUSE = "refuse"


class TerminalClose(StrEnum):
    """What the end of the terminal means."""

    STOP = "stop"
    KEEP = "keep"


class Supervisor(Section):
    """Starting and stopping."""

    start_timeout: Period = _text("60s", "How long the stack may take until all are ready.")
    shutdown_timeout: Duration = _text("60s", "How long stopping may take before SIGKILL.")
    orphans: Orphans = Field(
        Orphans.KILL,
        strict=False,
        description="kill, ask or refuse: what `up` does with processes that a dead run has left.",
    )
    on_terminal_close: TerminalClose = Field(
        TerminalClose.STOP,
        strict=False,
        description="stop or keep: what becomes of `ollamon up` when its terminal is closed.",
    )


class Log(Section):
    """Log files, one for each child."""

    max_size: Size = _text("10MB", "Size at which a file is rotated.")
    keep: int = Field(3, ge=1, le=100, description="How many rotated files are kept.")


class Paths(Section):
    """Folders; empty means the platform's own place."""

    state: str = Field("", description="State: logs and events.")
    runtime: str = Field("", description="Lock and control socket.")
    data: str = Field("", description="The history: Prometheus's samples, and our own file.")
    logs: str = Field("", description="Log files.")


class Config(Section):
    """The whole file, resolved."""

    schema_: int = Field(
        1, alias="schema", ge=1, le=1, description="Version of this file's layout."
    )
    name: str = Field(
        STACK,
        pattern=STACK_PATTERN,
        description="Name of this stack; stacks of different names run side by side.",
    )
    ollama: Ollama = Ollama()
    proxy: Proxy = Proxy()
    metrics: Metrics = Metrics()
    helper: Helper = Helper()
    prometheus: Prometheus = Prometheus()
    dashboard: Dashboard = Dashboard()
    alerts: Alerts = Alerts()
    demo: Demo = Demo()
    children: Children = Children()
    supervisor: Supervisor = Supervisor()
    log: Log = Log()
    paths: Paths = Paths()

    @property
    def upstream_url(self) -> str:
        """The server behind the proxy: Ollama, or the simulated one."""
        return self.demo.listen.url if self.demo.enabled else self.ollama.url

    def to_section(self, *tables: str) -> dict[str, object]:
        """These tables as JSON types, for a child's handover; all of them when none is named."""
        return self.model_dump(mode="json", by_alias=True, include=set(tables) or None)


LISTENING = {
    "proxy.listen": "proxy",
    "proxy.metrics_listen": "proxy",
    "helper.listen": "helper",
    "prometheus.listen": "prometheus",
    "dashboard.listen": "dashboard",
    "demo.listen": "demo",
}
"""Key path of each listening address -> the child that wants it."""

__all__ = [
    "LISTENING",
    "Address",
    "Alerts",
    "Children",
    "Config",
    "HelperMode",
    "OllamaMode",
    "Orphans",
    "Policy",
    "PrometheusMode",
    "RunAs",
    "Section",
    "TerminalClose",
]
