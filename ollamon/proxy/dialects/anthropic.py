"""The Anthropic API: one document of /v1/messages, without I/O.

In Ollama `message_start` holds an estimate of the prompt (1 for 25), `message_delta` the truth; in
llama.cpp the former holds the truth and the latter the output alone. So the later report wins,
number by number. Input tokens exclude cached ones: the prompt is the sum of the three.
"""

from collections.abc import Iterator, Mapping

from ollamon.proxy.dialects.fragments import Fragment
from ollamon.proxy.events import (
    Estimate,
    Event,
    Failure,
    Final,
    Finish,
    Model,
    Token,
    Usage,
    counts_of,
    object_of,
    text_of,
)


def events(document: object) -> Iterator[Event]:
    """Yield what one document says."""
    if not isinstance(document, dict):
        return
    match document.get("type"):
        case "message_start":
            yield from _start(object_of(document.get("message")))
        case "content_block_start":
            block = object_of(document.get("content_block"))
            if text_of(block.get("type")).endswith("tool_use"):
                yield Token(is_answer=True)
        case "content_block_delta":
            yield from _delta(object_of(document.get("delta")))
        case "message_delta":
            yield from _finish(object_of(document.get("delta")))
            yield from _usage(document.get("usage"))
        case "message_stop":
            yield Final()
        case "message":
            yield from _message(document)
        case "error":
            yield Failure()
        case _:
            return


def complete(fragment: Fragment) -> Mapping[str, object]:
    """Return a document of what is certain."""
    return {
        "type": "message",
        "model": fragment.first_text("model"),
        "stop_reason": fragment.first_text("stop_reason"),
        "usage": fragment.member("usage"),
    }


def _start(message: Mapping[str, object]) -> Iterator[Event]:
    if name := text_of(message.get("model")):
        yield Model(name)
    for event in _usage(message.get("usage")):
        # Nothing is generated yet: its output count is no report.
        yield (
            Estimate(event._replace(generated_tokens=None)) if isinstance(event, Usage) else event
        )


def _delta(delta: Mapping[str, object]) -> Iterator[Event]:
    is_answer = bool(text_of(delta.get("text")) or text_of(delta.get("partial_json")))
    if is_answer or text_of(delta.get("thinking")):
        yield Token(is_answer)


def _message(message: Mapping[str, object]) -> Iterator[Event]:
    if name := text_of(message.get("model")):
        yield Model(name)
    yield from _finish(message)
    yield from _usage(message.get("usage"))


def _finish(holder: Mapping[str, object]) -> Iterator[Event]:
    if reason := text_of(holder.get("stop_reason")):
        yield Finish(reason)


def _usage(reported: object) -> Iterator[Event]:
    (fresh, generated, read, created), bad = counts_of(
        object_of(reported),
        *("input_tokens", "output_tokens"),
        *("cache_read_input_tokens", "cache_creation_input_tokens"),
    )
    yield from bad
    prompt = None if fresh is None else fresh + (read or 0) + (created or 0)
    if prompt is not None or generated is not None:
        yield Usage(prompt, generated, None if prompt is None else read)
