"""What is told of one request beside its samples: numbers and names, no text, without I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Phase(StrEnum):
    """Where a request in flight is; values of the label `phase`."""

    RECEIVING = "receiving"
    QUEUED = "queued"
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
