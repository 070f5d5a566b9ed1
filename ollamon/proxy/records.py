"""What is told of one request beside its samples: numbers and names, no text, without I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Phase(StrEnum):
    """Where a request in flight is; values of the label `phase`."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    LOADING = "loading"
    PREFILL = "prefill"
    WAITING = "waiting"
    GENERATING = "generating"
    RELAYING = "relaying"


class RequestKind(NamedTuple):
    """What requests share, as in the labels of the metrics: there is a bounded number of kinds.

    Attributes:
        finish: Why the model stopped, in the one vocabulary; "" when it did not say.
        client: What kind of program sent it, as `ClientKind`.
    """

    method: str
    endpoint: str
    model: str
    status: str
    outcome: str
    finish: str
    client: str


@dataclass(frozen=True, slots=True)
class RequestInFlight:
    """One request that runs.

    Attributes:
        client: As `RequestKind.client`.
        age_s: Seconds since its head was read.
        phase: What it waits for.
        chunks: Streamed objects with tokens so far: an estimate of its tokens.
        chunks_per_second: Since the first of them; None before the second.
    """

    id: int
    method: str
    endpoint: str
    model: str
    client: str
    age_s: float
    phase: Phase
    chunks: int
    chunks_per_second: float | None
