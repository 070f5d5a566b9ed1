"""The bodies of requests, and what is said about those that cannot be read, without I/O.

Wordings are Ollama's (tests/samples/ollama). Fields that change nothing here are ignored.
"""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class RefusedError(Exception):
    """The request gets this status and this text."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(text)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Named(_Body):
    """A body that names a model."""

    model: str = ""


class Options(_Body):
    """The options that matter here."""

    num_predict: int | None = None


class Native(Named):
    """What chat and generate have in common."""

    stream: bool | None = None
    keep_alive: float | str | None = None
    think: bool | str | None = None
    options: Options | None = None

    @property
    def is_streamed(self) -> bool:
        """Native answers stream unless the request says otherwise."""
        return self.stream is not False


class Message(_Body):
    """One turn of a conversation; OpenAI's content may come in parts."""

    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, list):
            return "".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class Chat(Native):
    """POST /api/chat."""

    messages: list[Message] | None = None
    tools: list[Any] | None = None


class Generate(Native):
    """POST /api/generate."""

    prompt: str | None = None
    system: str | None = None


class Embed(Named):
    """POST /api/embed."""

    input: str | list[str] = Field(default_factory=list)
    keep_alive: float | str | None = None

    @property
    def texts(self) -> list[str]:
        """The inputs, one or many."""
        return [self.input] if isinstance(self.input, str) else self.input


class StreamOptions(_Body):
    """Whether the last chunk tells the counts."""

    include_usage: bool | None = None


class OpenAiChat(Named):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(default_factory=list)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None
    tools: list[Any] | None = None

    @property
    def wants_usage(self) -> bool:
        """A stream tells its counts only when asked to."""
        return self.stream_options is not None and self.stream_options.include_usage is True


_Asked = TypeVar("_Asked", bound=_Body)


def parse(kind: type[_Asked], body: bytes) -> _Asked:
    """Read a body.

    Raises:
        RefusedError: It is missing, no JSON, or of another shape.
    """
    if not body:
        raise RefusedError(400, "missing request body")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, _json_complaint(error)) from None
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RefusedError(400, f"invalid request body: {where}: {first['msg']}") from None


def _json_complaint(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError) and error.pos < len(error.doc):
        letter = error.doc[error.pos]
        return f"invalid character '{letter}' looking for beginning of value"
    return "unexpected EOF"
