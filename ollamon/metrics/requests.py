"""One request that ended: what the proxy tells of it and the dashboard keeps, without I/O."""

import math
from enum import StrEnum
from types import NoneType
from typing import Any, NamedTuple, get_args, get_type_hints

MAX_TEXT = 128
"""Letters of a model's name, the longest text that a record may hold."""
# SQLite's integers are signed.
_MAX_INTEGER = 2**63 - 1


class Outcome(StrEnum):
    """How a request ended; values of the label `outcome`."""

    # A key of every request; an Enum's own hash is a Python function.
    __hash__ = str.__hash__

    OK = "ok"
    CLIENT_ERROR = "client_error"
    UPSTREAM_ERROR = "upstream_error"
    TRUNCATED = "truncated"
    CLIENT_ABORT = "client_abort"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    SHUTDOWN = "shutdown"
    CANCELLED = "cancelled"


class RequestRecord(NamedTuple):
    """One request that ended; no text of it. Durations in seconds; None is unknown.

    Attributes:
        seq: Counts the ends; the next request that ends has the next number. A later start of the
            proxy goes on with higher ones.
        id: Counts the beginnings likewise; what it had while it ran.
        ended_at: Unix time.
        joules: What it drew above idle; known once the helper was read after its end.
    """

    seq: int
    id: int
    ended_at: float
    method: str
    endpoint: str
    model: str
    status: str
    outcome: str
    finish: str
    client: str
    is_stream: bool
    duration_s: float
    time_to_first_token_s: float | None
    tokens_per_second: float | None
    prompt_tokens: int | None
    cached_tokens: int | None
    generated_tokens: int | None
    load_s: float | None
    prefill_s: float | None
    decode_s: float | None
    joules: float | None


TYPES: dict[str, type] = {
    name: next(each for each in (get_args(hint) or (hint,)) if each is not NoneType)
    for name, hint in get_type_hints(RequestRecord).items()
}
"""Name of each field -> its type, when it is known."""

NULLABLE = frozenset(
    name for name, hint in get_type_hints(RequestRecord).items() if NoneType in get_args(hint)
)
"""Fields that may be unknown."""


def record_of(document: object) -> RequestRecord:
    """Read what was JSON; a member that nobody knows is passed over.

    Raises:
        ValueError: A field is missing, or of another type.
    """
    if not isinstance(document, dict):
        raise ValueError("a request is no object")
    return RequestRecord(**{name: _value(name, document.get(name)) for name in TYPES})


def _value(name: str, value: object) -> Any:
    if value is None and name in NULLABLE:
        return None
    match value:
        case bool() if TYPES[name] is bool:
            return value
        case int() if TYPES[name] is int and type(value) is int and 0 <= value <= _MAX_INTEGER:
            return value
        case int() | float() if TYPES[name] is float and type(value) is not bool:
            if math.isfinite(value) and value >= 0:
                return float(value)
        case str() if TYPES[name] is str and len(value) <= MAX_TEXT and value.isprintable():
            return value
        case _:
            pass
    raise ValueError(f"{name}: no {TYPES[name].__name__} of a request")
