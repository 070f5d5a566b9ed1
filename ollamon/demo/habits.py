"""What the demo's virtual users do next, without I/O.

A habit draws an errand from a random source; the same seed gives the same day. Together they touch
what a dashboard shows: streams and whole answers, both dialects, short and long prompts, cold
loads, waiting for a slot, embeddings, a model that is missing, a user who loses patience, and rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ollamon.demo import texts

MISSING_MODEL = "mixtral:8x22b"
"""A model that is not on the shelf; asking for it is a 404."""

_BREAK_S = (15.0, 40.0)


@dataclass(frozen=True, slots=True)
class Errand:
    """One request, and the pause before it.

    Attributes:
        body: JSON; None for a GET.
        patience_s: When the user leaves, whatever has come by then; None for one who waits.
    """

    pause_s: float
    path: str
    body: dict[str, object] | None = None
    patience_s: float | None = None

    @property
    def method(self) -> str:
        """An errand with a body is a POST."""
        return "GET" if self.body is None else "POST"


Habit = Callable[[Random], Errand]


def chatter(rng: Random) -> Errand:
    """Short questions to the small model, sometimes with a longer conversation behind them."""
    turns = rng.choice((1, 1, 3, 5))
    body: dict[str, object] = {
        "model": "llama3.2:3b",
        "messages": [_message(place, rng) for place in range(turns)],
    }
    if rng.random() < 0.3:
        body["options"] = {"num_predict": rng.choice((24, 48, 96))}
    patience_s = rng.uniform(0.4, 2.0) if rng.random() < 0.07 else None
    return Errand(_pause(6.5, rng), "/api/chat", body, patience_s)


def coder(rng: Random) -> Errand:
    """Questions to the thinking model through an OpenAI client."""
    body: dict[str, object] = {
        "model": "qwen3:8b",
        "messages": [{"role": "user", "content": texts.prompt(rng.randrange(60, 400), rng)}],
        "max_tokens": rng.choice((120, 200, 320)),
    }
    if rng.random() < 0.75:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if rng.random() < 0.3:
        body["reasoning_effort"] = "none"
    return Errand(_pause(10.0, rng), "/v1/chat/completions", body)


def writer(rng: Random) -> Errand:
    """Long texts for the big model, which is unloaded in between: each time is a cold load."""
    body: dict[str, object] = {
        "model": "gemma3:12b",
        "prompt": texts.prompt(rng.randrange(150, 900), rng),
        "keep_alive": "10s",
        "options": {"num_predict": rng.choice((40, 70, 110))},
    }
    if rng.random() < 0.3:
        body["stream"] = False
    return Errand(_pause(16.0, rng), "/api/generate", body)


def indexer(rng: Random) -> Errand:
    """Batches for the embedding model."""
    passages = [texts.prompt(rng.randrange(20, 120), rng) for _ in range(rng.randrange(1, 6))]
    body: dict[str, object] = {"model": "nomic-embed-text", "input": passages}
    pause_s = rng.uniform(0.2, 1.0) if rng.random() < 0.6 else _pause(20.0, rng)
    return Errand(pause_s, "/api/embed", body)


def tinkerer(rng: Random) -> Errand:
    """Looks around, and now and then asks for a model that is not there."""
    pause_s = _pause(8.0, rng)
    question: dict[str, object] = {
        "model": MISSING_MODEL,
        "messages": [{"role": "user", "content": "Are you there?"}],
    }
    return rng.choice(
        (
            Errand(pause_s, "/api/tags"),
            Errand(pause_s, "/api/ps"),
            Errand(pause_s, "/api/version"),
            Errand(pause_s, "/v1/models"),
            Errand(pause_s, "/api/show", {"model": "qwen3:8b"}),
            Errand(pause_s, "/api/chat", question),
        )
    )


USERS: dict[str, Habit] = {
    "chatter": chatter,
    "second chatter": chatter,
    "coder": coder,
    "writer": writer,
    "indexer": indexer,
    "tinkerer": tinkerer,
}
"""Who is there. The chatters share a model, so that one waits for the other at times."""


def _message(place: int, rng: Random) -> dict[str, str]:
    role = "assistant" if place % 2 else "user"
    return {"role": role, "content": texts.prompt(rng.randrange(8, 120), rng)}


def _pause(mean_s: float, rng: Random) -> float:
    """Return how long a user does something else; a few times for a cup of coffee."""
    if rng.random() < 0.05:
        return rng.uniform(*_BREAK_S)
    return min(3 * mean_s, 0.2 + rng.expovariate(1 / mean_s))
