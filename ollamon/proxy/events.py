"""What an answer says about its generation, as words, without I/O.

A dialect turns one JSON document of an answer into events; `reader.py` collects them into a
`Report`. Numbers come from outside: a count is an int, not a bool, from 0 to 2**53, or it is
dropped and an `Invalid` event tells so. None means unreported, which is not 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

# Beyond it a float, and so a sample, no longer holds every integer.
MAX_COUNT = 2**53
NANOSECONDS = 1e9


class Problem(StrEnum):
    """Why numbers of an answer could not be read; values of the label `reason`."""

    JSON = "json"
    OVERSIZE = "oversize"
    UNDECODABLE = "undecodable"
    INVALID_NUMBER = "invalid_number"
    EXCEPTION = "exception"


class Model(NamedTuple):
    """The answer names its model."""

    name: str


class Token(NamedTuple):
    """The document carries generated text, thinking or a tool call.

    Attributes:
        is_answer: It is more than thinking.
    """

    is_answer: bool


class Usage(NamedTuple):
    """Counts as reported; durations in seconds; None is unreported."""

    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    cached_tokens: int | None = None
    total_s: float | None = None
    load_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None

    def over(self, earlier: "Usage") -> "Usage":
        """Return this report, with what it leaves out taken from an earlier one."""
        told = {name: value for name, value in self._asdict().items() if value is not None}
        return earlier._replace(**told)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Counts that a later report may correct; worth nothing unless the stream came to its end."""

    usage: Usage


class Finish(NamedTuple):
    """Why the model stopped, in the dialect's own word."""

    reason: str


@dataclass(frozen=True, slots=True)
class Final:
    """The marker after which nothing is missing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error inside an answer whose status says 200."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A number that is none, or out of range."""


Event = Model | Token | Usage | Estimate | Finish | Final | Failure | Invalid


class Report(NamedTuple):
    """What a whole answer, or the part of it that came, has said.

    Attributes:
        is_stream: It came as lines or events; by its Content-Type, whatever was asked for.
        model: As the answer names it, or "".
        usage: The last report, or None.
        finish: Why the model stopped, or "".
        has_final: The final marker was seen, or the one document is whole.
        has_failure: An error in band was seen.
        first_token_at: Monotonic time of the read with the first token of any kind.
        first_answer_at: Likewise for the first that is more than thinking.
        last_token_at: Likewise for the last token.
        objects: Streamed documents with tokens: an estimate, never mixed with tokens.
        thought_first: The first token was thinking.
        gap_s: Longest time between two reads, the first token's and later ones; 0 is unknown.
        problems: What could not be read, each once.
    """

    is_stream: bool
    model: str = ""
    usage: Usage | None = None
    finish: str = ""
    has_final: bool = False
    has_failure: bool = False
    first_token_at: float | None = None
    first_answer_at: float | None = None
    last_token_at: float | None = None
    objects: int = 0
    problems: frozenset[Problem] = frozenset()
    thought_first: bool = False
    gap_s: float = 0.0


def count_of(value: object) -> int | None:
    """Return a value if it may be used as a count, else None."""
    # A bool is an int; JSON's 1e999 is a float, and so is NaN, which Python's parser accepts.
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def counts_of(
    document: Mapping[str, object], *names: str
) -> tuple[tuple[int | None, ...], tuple[Invalid, ...]]:
    """Return the count under each name, None when unreported, and an Invalid for each bad one."""
    found, bad = [], 0
    for name in names:
        value = document.get(name)
        count = None if value is None else count_of(value)
        bad += count is not value
        found.append(count)
    return tuple(found), (Invalid(),) * bad


def checked_cache(cached: int | None, prompt: int | None) -> tuple[int | None, tuple[Invalid, ...]]:
    """Return the cached tokens of a prompt, which cannot be more than the prompt."""
    if cached is None or (prompt is not None and cached <= prompt):
        return cached, ()
    return None, (Invalid(),)


def text_of(value: object) -> str:
    """Return a value if it is text, else ""."""
    return value if isinstance(value, str) else ""


def object_of(value: object) -> Mapping[str, object]:
    """Return a value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> Iterator[Mapping[str, object]]:
    """Yield the JSON objects of a value, if it is a JSON array."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
