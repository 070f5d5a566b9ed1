"""The bodies of the simulated Ollama's native answers, without I/O.

Keys and their order are those of the recorded answers in tests/samples/ollama; thinking, which no
sample holds, follows ollama:api/types.go.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ollamon.demo.pacing import Job, Piece, token_number

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer reports at its end; durations in nanoseconds."""

    done_reason: str
    total_ns: int
    load_ns: int
    prompt_tokens: int
    prompt_ns: int
    generated: int
    eval_ns: int


def encode(document: Mapping[str, object]) -> bytes:
    """Write JSON as Go does: no blanks, text as UTF-8."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def native_chat(job: Job, now: datetime, pieces: Sequence[Piece], usage: Usage | None) -> Document:
    """One object of /api/chat: a line of a stream, or the whole answer."""
    said, thought = _texts(pieces)
    message = {"role": "assistant", "content": said} | ({"thinking": thought} if thought else {})
    head = {"model": job.name, "created_at": timestamp(now), "message": message}
    return head | _ending(usage)


def native_generate(
    job: Job, now: datetime, pieces: Sequence[Piece], usage: Usage | None, context: list[int]
) -> Document:
    """One object of /api/generate; `context` stands in the last one only."""
    said, thought = _texts(pieces)
    head: Document = {"model": job.name, "created_at": timestamp(now), "response": said}
    if thought:
        head["thinking"] = thought
    return head | _ending(usage, {"context": context})


def native_bare(job: Job, now: datetime, done_reason: str, *, is_chat: bool) -> Document:
    """The answer to an empty prompt, which only loads or unloads."""
    empty: Document = (
        {"message": {"role": "assistant", "content": ""}} if is_chat else {"response": ""}
    )
    head = {"model": job.name, "created_at": timestamp(now)}
    return head | empty | {"done": True, "done_reason": done_reason}


def embedded(job: Job, vectors: list[list[float]], usage: Usage) -> Document:
    """The answer of /api/embed."""
    return {
        "model": job.name,
        "embeddings": vectors,
        "total_duration": usage.total_ns,
        "load_duration": usage.load_ns,
        "prompt_eval_count": usage.prompt_tokens,
    }


def context_of(job: Job, pieces: Sequence[Piece]) -> list[int]:
    """Made-up token numbers of prompt and answer, as many as there are tokens."""
    prompt = [(token * 7919) % 128_000 for token in range(job.prompt_tokens)]
    return prompt + [token_number(piece.text) for piece in pieces]


def _texts(pieces: Sequence[Piece]) -> tuple[str, str]:
    said = [piece for piece in pieces if not piece.is_thought]
    thought = [piece for piece in pieces if piece.is_thought]
    return "".join(piece.text for piece in said), "".join(piece.text for piece in thought)


def _ending(usage: Usage | None, extra: Document | None = None) -> Document:
    if usage is None:
        return {"done": False}
    return {
        "done": True,
        "done_reason": usage.done_reason,
        **(extra or {}),
        "total_duration": usage.total_ns,
        "load_duration": usage.load_ns,
        "prompt_eval_count": usage.prompt_tokens,
        "prompt_eval_duration": usage.prompt_ns,
        "eval_count": usage.generated,
        "eval_duration": usage.eval_ns,
    }
