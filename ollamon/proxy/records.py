"""What is told of one request beside its samples: numbers and names, no text, without I/O."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a request in flight is; values of the label `phase`."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    WAITING = "waiting"
    GENERATING = "generating"
    RELAYING = "relaying"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request that ended; no text of it. Durations in seconds; None is unknown.

    Attributes:
        id: Counts up from 1 in this process.
        ended_at: Unix time.
        model, endpoint, method, status: As in the labels of the metrics.
    """

    id: int
    ended_at: float
    method: str
    endpoint: str
    model: str
    status: str
    outcome: str
    is_stream: bool
    duration_s: float
    time_to_first_token_s: float | None
    prompt_tokens: int | None
    generated_tokens: int | None
    tokens_per_second: float | None
    load_s: float | None
    finish: str


@dataclass(frozen=True, slots=True)
class RequestInFlight:
    """One request that runs.

    Attributes:
        age_s: Seconds since its head was read.
        phase: What it waits for.
    """

    id: int
    method: str
    endpoint: str
    model: str
    age_s: float
    phase: Phase
