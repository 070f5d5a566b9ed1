"""A request's body -> the job that it asks for, or why it is refused, without I/O.

What a model cannot do is refused in Ollama's words (tests/samples/ollama).
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from ollamon.demo import models
from ollamon.demo.bodies import Chat, Embed, Generate, Message, Native, OpenAiChat, RefusedError
from ollamon.demo.models import Model
from ollamon.demo.pacing import KEEP_S, Job

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_CHARACTERS_IN_A_TOKEN = 4
_TEMPLATE_TOKENS = 9


def keep_s(value: float | str | None) -> float:
    """Return seconds; infinite when negative. Numbers are seconds, texts Go durations.

    Raises:
        RefusedError: The text is no duration.
    """
    if value is None:
        return KEEP_S
    if isinstance(value, str):
        sign, digits = (-1.0, value[1:]) if value.startswith("-") else (1.0, value)
        parts = _DURATION.findall(digits)
        if "".join(number + unit for number, unit in parts) != digits or not parts:
            raise RefusedError(400, f'time: invalid duration "{value}"')
        value = sign * sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return math.inf if value < 0 else float(value)


def chat_job(ask: Chat) -> Job:
    """Return the job of a chat. Raises RefusedError."""
    model = _completing(ask.model)
    _refuse_tools(model, ask.tools)
    return _native_job(ask, model, _tokens_of(ask.messages or []))


def generate_job(ask: Generate) -> Job:
    """Return the job of a generation. Raises RefusedError."""
    model = _completing(ask.model)
    return _native_job(ask, model, tokens((ask.system or "") + (ask.prompt or "")))


def openai_job(ask: OpenAiChat) -> Job:
    """Return the job of a chat in OpenAI's words. Raises RefusedError."""
    model = _completing(ask.model)
    if not ask.messages:
        raise RefusedError(400, "[] is too short - 'messages'")
    _refuse_tools(model, ask.tools)
    return Job(
        model,
        ask.model,
        _within(model, _tokens_of(ask.messages)),
        limit=_limit(ask.max_completion_tokens or ask.max_tokens),
        thinks=model.thinks and ask.reasoning_effort != "none",
    )


def embed_job(ask: Embed) -> Job:
    """Return the job of an embedding. Raises RefusedError."""
    model = _find(ask.model, f'model "{ask.model}" not found, try pulling it first')
    if not model.embeds:
        text = "This server does not support embeddings. Start it with `--embeddings`"
        raise RefusedError(501, text)
    counted = sum(tokens(text, template=2) for text in ask.texts)
    return Job(model, ask.model, counted, keep_s=keep_s(ask.keep_alive))


def shown(name: str) -> Model:
    """Return the model of /api/show and /v1/models. Raises RefusedError."""
    return _find(name, f"model '{models.full_name(name)}' not found")


def tokens(text: str, template: int = _TEMPLATE_TOKENS) -> int:
    """Estimate the tokens of a prompt; `template` is what surrounds it."""
    return template + -(-len(text) // _CHARACTERS_IN_A_TOKEN)


def _native_job(ask: Native, model: Model, prompt_tokens: int) -> Job:
    if ask.think and not model.thinks:
        raise RefusedError(400, f'"{ask.model}" does not support thinking')
    return Job(
        model,
        ask.model,
        _within(model, prompt_tokens),
        limit=_limit(ask.options.num_predict if ask.options else None),
        # Models that think do so unless they are told not to.
        thinks=model.thinks and ask.think is not False,
        keep_s=keep_s(ask.keep_alive),
    )


def _completing(name: str) -> Model:
    model = _find(name, f"model '{name}' not found")
    if model.embeds:
        raise RefusedError(400, f'"{name}" does not support chat')
    return model


def _find(name: str, refusal: str) -> Model:
    if not name:
        raise RefusedError(400, "model is required")
    model = models.find(name)
    if model is None:
        raise RefusedError(404, refusal)
    return model


def _refuse_tools(model: Model, tools: list[Any] | None) -> None:
    if tools:
        text = f"registry.ollama.ai/library/{model.name} does not support tools"
        raise RefusedError(400, text)


def _tokens_of(messages: Iterable[Message]) -> int:
    return sum(tokens(message.text) for message in messages)


def _within(model: Model, prompt_tokens: int) -> int:
    # Ollama cuts a prompt that is longer than the context.
    return min(prompt_tokens, model.context)


def _limit(asked: int | None) -> int | None:
    return asked if asked is not None and asked > 0 else None
