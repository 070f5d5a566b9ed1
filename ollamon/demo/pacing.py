"""What is answered to a job, and how long each phase takes, without I/O.

Everything that varies comes from the random source that is passed in: the same seed gives the same
answers at the same pace.
"""

import math
import zlib
from dataclasses import dataclass
from random import Random

from ollamon.demo import texts
from ollamon.demo.models import Model

KEEP_S = 300.0
"""How long a model stays in memory after its last job: Ollama's own default, 5 minutes."""

_TYPICAL_LENGTH = 80
_LONGEST = 420
_WARM_LOAD_S = (0.001, 0.004)
# Decoding slows down as the context fills: by half at this many tokens.
_SLOW_CONTEXT = 8000


@dataclass(frozen=True, slots=True)
class Job:
    """What a request asks of a model.

    Attributes:
        name: The model's name as the request wrote it; answers echo it.
        limit: The most tokens that may be generated; None for no limit.
        thinks: Think before answering.
        keep_s: How long the model stays in memory afterwards; infinite for ever.
    """

    model: Model
    name: str
    prompt_tokens: int
    limit: int | None = None
    thinks: bool = False
    keep_s: float = KEEP_S


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of one generated token."""

    text: str
    is_thought: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer.

    Attributes:
        prompt_s: Time to read the prompt.
        gaps_s: Time before each generated token; one more than `pieces` when the end token comes.
        done_reason: "stop", or "length" when the limit cut it.
    """

    prompt_s: float
    pieces: tuple[Piece, ...]
    gaps_s: tuple[float, ...]
    done_reason: str

    @property
    def generated(self) -> int:
        """Tokens that count as generated: the end token is one."""
        return len(self.gaps_s)


def load_s(model: Model, is_loaded: bool, rng: Random) -> float:
    """Return how long loading takes; a warm model still needs some milliseconds."""
    if is_loaded:
        return rng.uniform(*_WARM_LOAD_S)
    return model.load_s * rng.uniform(0.85, 1.3)


def prompt_s(model: Model, tokens: int, rng: Random) -> float:
    """Return how long reading the prompt takes; proportional to its length."""
    return (0.02 + tokens / model.prompt_rate) * rng.uniform(0.95, 1.1)


def plan_answer(job: Job, rng: Random) -> Plan:
    """Decide what is said and when."""
    pieces = _pieces(job, rng)
    ends_itself = job.limit is None or len(pieces) < job.limit
    if not ends_itself:
        pieces = pieces[: job.limit]
    steps = len(pieces) + (1 if ends_itself else 0)
    return Plan(
        prompt_s=prompt_s(job.model, job.prompt_tokens, rng),
        pieces=tuple(pieces),
        gaps_s=tuple(_gap_s(job, step, rng) for step in range(steps)),
        done_reason="stop" if ends_itself else "length",
    )


def _pieces(job: Job, rng: Random) -> list[Piece]:
    length = _length(rng)
    thoughts = texts.thoughts(length // 2, rng) if job.thinks else []
    return [
        *(Piece(text, is_thought=True) for text in thoughts),
        *(Piece(text) for text in texts.answer(length, rng)),
    ]


def _length(rng: Random) -> int:
    return min(_LONGEST, max(8, int(rng.lognormvariate(math.log(_TYPICAL_LENGTH), 0.6))))


def _gap_s(job: Job, step: int, rng: Random) -> float:
    usual = (1 + (job.prompt_tokens + step) / _SLOW_CONTEXT) / job.model.decode_rate
    jitter = min(2.0, max(0.5, rng.gauss(1.0, 0.12)))
    # Now and then something else wants the machine.
    return usual * jitter * (5.0 if rng.random() < 0.004 else 1.0)


def embedding(text: str, size: int) -> list[float]:
    """Return a vector of length 1 that depends on the text alone."""
    seed = 1.0 + zlib.crc32(text.encode()) % 9973
    raw = [math.sin(seed * (place + 1)) for place in range(size)]
    norm = math.sqrt(sum(value * value for value in raw)) or 1.0
    return [round(value / norm, 8) for value in raw]


def token_number(text: str) -> int:
    """Return a made-up number of a token, for the field `context`."""
    return zlib.crc32(text.encode()) % 128_000
