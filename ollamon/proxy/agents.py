"""User-Agent of a request -> one of a few kinds of clients, without I/O; its text is not kept."""

from collections.abc import Sequence
from enum import StrEnum


class ClientKind(StrEnum):
    """Who asks, as far as the first word of its User-Agent tells."""

    # A key of every request; an Enum's own hash is a Python function.
    __hash__ = str.__hash__

    OLLAMA = "ollama"
    OLLAMA_PYTHON = "ollama-python"
    OLLAMA_JS = "ollama-js"
    OPENAI_PYTHON = "openai-python"
    OPENAI_JS = "openai-js"
    ANTHROPIC_PYTHON = "anthropic-python"
    ANTHROPIC_JS = "anthropic-js"
    BROWSER = "browser"
    CURL = "curl"
    PYTHON = "python"
    NODE = "node"
    GO = "go"
    DEMO = "demo"
    OTHER = "other"
    UNKNOWN = "unknown"


# The first that an agent begins with; some put their language or an "Async" in front.
_BEGINNINGS = (
    ("ollama-python/", ClientKind.OLLAMA_PYTHON),
    ("ollama-js/", ClientKind.OLLAMA_JS),
    ("ollama/", ClientKind.OLLAMA),
    ("openai/python", ClientKind.OPENAI_PYTHON),
    ("asyncopenai/python", ClientKind.OPENAI_PYTHON),
    ("openai/js", ClientKind.OPENAI_JS),
    ("anthropic/python", ClientKind.ANTHROPIC_PYTHON),
    ("asyncanthropic/python", ClientKind.ANTHROPIC_PYTHON),
    ("anthropic/js", ClientKind.ANTHROPIC_JS),
    ("mozilla/", ClientKind.BROWSER),
    ("curl/", ClientKind.CURL),
    ("python", ClientKind.PYTHON),
    ("node", ClientKind.NODE),
    ("undici", ClientKind.NODE),
    ("axios/", ClientKind.NODE),
    ("go-http-client/", ClientKind.GO),
    ("ollamon-demo/", ClientKind.DEMO),
)
_LONGEST = max(len(beginning) for beginning, _ in _BEGINNINGS)


def client_kind(agents: Sequence[bytes]) -> ClientKind:
    """Return the kind that the values of User-Agent name; none at all is `unknown`."""
    if not agents:
        return ClientKind.UNKNOWN
    agent = agents[0][:_LONGEST].lower().decode("latin-1")
    kinds = (kind for beginning, kind in _BEGINNINGS if agent.startswith(beginning))
    return next(kinds, ClientKind.OTHER)
