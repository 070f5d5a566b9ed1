"""Target of a request -> bounded route and the dialect of its answers, without I/O."""

from dataclasses import dataclass
from enum import StrEnum


class Dialect(StrEnum):
    """How the answers of a route are read, and how our own errors to it are shaped."""

    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Reading(StrEnum):
    """What an answer on a route can tell."""

    GENERATION = "generation"
    EMBEDDING = "embedding"
    PROGRESS = "progress"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Route:
    """A bounded name for a target.

    Attributes:
        endpoint: Value of the label `endpoint`.
    """

    endpoint: str
    dialect: Dialect
    reading: Reading


COMPUTED = (Reading.GENERATION, Reading.EMBEDDING)
"""Answers for which a model works."""

OTHER = "other"

# ollama:server/routes.go; metrics.md lists the same names as the values of `endpoint`.
_READINGS = {
    "/api/chat": Reading.GENERATION,
    "/api/generate": Reading.GENERATION,
    "/api/embed": Reading.EMBEDDING,
    "/api/pull": Reading.PROGRESS,
    "/api/push": Reading.PROGRESS,
    "/api/create": Reading.PROGRESS,
    "/v1/chat/completions": Reading.GENERATION,
    "/v1/completions": Reading.GENERATION,
    "/v1/responses": Reading.GENERATION,
    "/v1/embeddings": Reading.EMBEDDING,
    "/v1/messages": Reading.GENERATION,
}
_SILENT = frozenset(
    {
        "/",
        *(
            f"/api/{name}"
            for name in (
                *("version", "status", "embeddings", "tags", "ps", "show"),
                *("delete", "copy", "me", "signout"),
            )
        ),
        "/v1/models",
        "/v1/audio/transcriptions",
    }
)
_PREFIXES = {"/api/blobs/": "/api/blobs/:digest", "/v1/models/": "/v1/models/:model"}

GENERATING = tuple(path for path, told in _READINGS.items() if told is Reading.GENERATION)
"""The endpoints that generate."""

ENDPOINTS = frozenset({*_READINGS, *_SILENT, *_PREFIXES.values(), OTHER})
"""Every value of the label `endpoint`."""


def route_of(target: str) -> Route:
    """Return the route of a request target; a query counts for nothing."""
    path = target.partition("?")[0]
    return Route(_endpoint(path), _dialect(path), _READINGS.get(path, Reading.NOTHING))


def _endpoint(path: str) -> str:
    if path in _READINGS or path in _SILENT:
        return path
    for prefix, name in _PREFIXES.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            return name
    return OTHER


def _dialect(path: str) -> Dialect:
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return Dialect.ANTHROPIC
    return Dialect.OPENAI if path.startswith("/v1/") else Dialect.OLLAMA
