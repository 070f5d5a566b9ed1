"""How things stand, in one line, derived from facts, without I/O.

The first line of the table that applies is the status. Notes say what is missing without being
wrong: they stand in their sections of the page.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The states of the page, the most important first."""

    PROXY_DOWN = "proxy_down"
    UPSTREAM_DOWN = "upstream_down"
    NOT_OLLAMA = "not_ollama"
    PROMETHEUS_DOWN = "prometheus_down"
    WAITING = "waiting"
    LIVE = "live"


class Level(StrEnum):
    """How much it matters."""

    OK = "ok"
    WARN = "warn"
    DOWN = "down"


class Upstream(StrEnum):
    """What the proxy found behind itself; the words of its /readyz."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    NOT_OLLAMA = "not_ollama"


class HelperState(StrEnum):
    """How the helper fares."""

    OFF = "off"
    DOWN = "down"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one tick.

    Attributes:
        proxy_address: Where clients connect, host:port.
        upstream_url: The server behind the proxy.
        proxy_error: Why the proxy's metrics could not be read; "" when they could.
        upstream: What the proxy found, and `upstream_reason` in its own words.
        prometheus_error: Why Prometheus did not answer; "" when it did, or when there is none.
        is_prometheus_blind: It answers, but has no samples of the proxy, for longer than a start.
        requests: Requests that the proxy accepted since its start; None is unknown.
        helper: With `helper_error`, or `helper_denied`: what it may not read.
        has_gpu: A GPU is known.
        history_error: Why nothing can be kept on disk; "" when it can.
        history_moved: Where a damaged history was moved; "" when there was none.
    """

    proxy_address: str
    upstream_url: str
    proxy_error: str = ""
    upstream: Upstream = Upstream.UNKNOWN
    upstream_reason: str = ""
    prometheus_error: str = ""
    is_prometheus_blind: bool = False
    requests: float | None = None
    helper: HelperState = HelperState.OFF
    helper_error: str = ""
    helper_denied: str = ""
    has_gpu: bool = False
    history_error: str = ""
    history_moved: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The line, and what to do."""

    kind: Kind
    level: Level
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is missing, and what to do."""

    kind: str
    text: str
    hint: str = ""


def derive(facts: Facts) -> Status:
    """Return the one status."""
    if facts.proxy_error:
        text = f"Proxy not reachable: {_reason(facts.proxy_error)}"
        return Status(Kind.PROXY_DOWN, Level.DOWN, text, "ollamon status")
    if facts.upstream is Upstream.DOWN:
        text = f"Ollama not reachable at {facts.upstream_url}"
        return Status(Kind.UPSTREAM_DOWN, Level.DOWN, text, _cure(facts.upstream_reason))
    if facts.upstream is Upstream.NOT_OLLAMA:
        text = f"Live, but the server at {facts.upstream_url} is no Ollama"
        hint = "Requests are measured; loaded models and load times stay unknown."
        return Status(Kind.NOT_OLLAMA, Level.WARN, text, hint)
    if facts.prometheus_error:
        text = "Live, own history: Prometheus not answering"
        return Status(Kind.PROMETHEUS_DOWN, Level.WARN, text, facts.prometheus_error)
    if facts.requests == 0:
        hint = f"OLLAMA_HOST={facts.proxy_address} ollama run llama3.2"
        return Status(Kind.WAITING, Level.OK, "Waiting for the first request", hint)
    return Status(Kind.LIVE, Level.OK, "Live")


def notes(facts: Facts) -> tuple[Note, ...]:
    """Return what is missing."""
    found = [_helper_note(facts), _prometheus_note(facts), _history_note(facts)]
    return tuple(note for note in found if note is not None)


def _helper_note(facts: Facts) -> Note | None:
    match facts.helper:
        case HelperState.OFF if not facts.has_gpu:
            text = "GPU, power and temperature are unknown: the helper is not running"
            return Note("helper_off", text, "ollamon up --with-helper")
        case HelperState.DOWN:
            text = "GPU, power and temperature are unknown: the helper does not answer"
            return Note("helper_down", text, facts.helper_error)
        case HelperState.UP if facts.helper_denied:
            text = "The helper may not read all that it could"
            return Note("helper_denied", text, facts.helper_denied)
        case HelperState.UP if not facts.has_gpu:
            return Note("no_gpu", "No GPU that can be read on this machine")
        case _:
            return None


def _prometheus_note(facts: Facts) -> Note | None:
    if facts.is_prometheus_blind:
        text = "Own history: Prometheus has no samples of the proxy"
        return Note("prometheus_blind", text, "ollamon doctor")
    if facts.prometheus_error and derive(facts).kind is not Kind.PROMETHEUS_DOWN:
        return Note("prometheus_down", "Prometheus not answering", facts.prometheus_error)
    return None


def _history_note(facts: Facts) -> Note | None:
    if facts.history_error:
        text = "What happens now is kept in memory only, until the disk takes it"
        return Note("history_memory", text, facts.history_error)
    if facts.history_moved:
        text = "The file of the history was damaged, and a new one began"
        return Note("history_moved", text, f"The damaged one is {facts.history_moved}")
    return None


def _cure(reason: str) -> str:
    """Start it, unless it runs and the proxy knows what else is wrong."""
    return "ollama serve" if not reason or reason.startswith("cannot reach") else reason


def _reason(error: str) -> str:
    """The part behind "cannot reach URL: "; the line says already what cannot be reached."""
    return error.partition(": ")[2] or error
