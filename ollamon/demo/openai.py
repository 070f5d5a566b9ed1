"""The same answers in OpenAI's words, without I/O.

As in the recorded answers: the role stands in the first chunk only, and the counts, when they were
asked for, in an extra chunk without choices.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ollamon.demo.answers import Document, Usage, encode
from ollamon.demo.models import SHELF, Model
from ollamon.demo.pacing import Job, Piece

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Completion:
    """What all objects of one answer share.

    Attributes:
        created: Seconds since 1970.
    """

    job: Job
    number: int
    created: int

    def chunk(self, piece: Piece, *, is_first: bool) -> bytes:
        """One token as an event."""
        delta: Document = {"role": "assistant"} if is_first else {}
        if piece.is_thought:
            delta |= {"content": "", "reasoning": piece.text}
        else:
            delta |= {"content": piece.text}
        return self._event([{"index": 0, "delta": delta, "finish_reason": None}])

    def end(self, usage: Usage, *, tells_usage: bool) -> bytes:
        """The last events of a stream, in one write as Ollama sends them."""
        last = self._event([{"index": 0, "delta": {}, "finish_reason": usage.done_reason}])
        counts = self._event([], {"usage": _counts(usage)}) if tells_usage else b""
        return last + counts + DONE

    def whole(self, pieces: Sequence[Piece], usage: Usage) -> Document:
        """The answer that is not streamed."""
        said = "".join(piece.text for piece in pieces if not piece.is_thought)
        thought = "".join(piece.text for piece in pieces if piece.is_thought)
        message = {"role": "assistant", "content": said}
        if thought:
            message["reasoning"] = thought
        choice = {"index": 0, "message": message, "finish_reason": usage.done_reason}
        return self._head("chat.completion") | {"choices": [choice], "usage": _counts(usage)}

    def _event(self, choices: list[Document], extra: Document | None = None) -> bytes:
        document = self._head("chat.completion.chunk") | {"choices": choices} | (extra or {})
        return b"data: " + encode(document) + b"\n\n"

    def _head(self, kind: str) -> Document:
        return {
            "id": f"chatcmpl-{self.number}",
            "object": kind,
            "created": self.created,
            "model": self.job.name,
            "system_fingerprint": "fp_ollama",
        }


def _counts(usage: Usage) -> Document:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.generated,
        "total_tokens": usage.prompt_tokens + usage.generated,
    }


def model_card(name: str, created: int) -> Document:
    """One model of /v1/models."""
    return {"id": name, "object": "model", "created": created, "owned_by": "library"}


def model_list(created: int, shelf: Iterable[Model] = SHELF) -> Document:
    """The answer of /v1/models."""
    return {"object": "list", "data": [model_card(each.name, created) for each in shelf]}


def error(status: int, text: str) -> Document:
    """An error as OpenAI's clients read it."""
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    return {"error": {"message": text, "type": kind, "param": None, "code": None}}
