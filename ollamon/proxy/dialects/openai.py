"""The OpenAI API: one document of chat, completions, responses or embeddings, without I/O.

Counts come with `stream_options.include_usage` alone; the request is never altered to get them.
/v1/completions of Ollama then puts a usage of zeros into every chunk; only the last is true, the
one without choices. llama.cpp reports in the chunk with the finish reason instead. So usage beside
choices is an estimate, which stands if the answer came to its end and nothing followed.
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
    checked_cache,
    counts_of,
    object_of,
    objects_of,
    text_of,
)

DONE = b"[DONE]"
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_THINKING = ("reasoning_content", "reasoning")


def events(document: object) -> Iterator[Event]:
    """Yield what one document says."""
    if not isinstance(document, dict):
        return
    kind = text_of(document.get("type"))
    if kind.startswith("response."):
        yield from _response_event(kind, document)
    elif document.get("object") == "response":
        yield from _response(document)
    else:
        yield from _chunk(document)
    if document.get("error") or kind == "error":
        yield Failure()


def complete(fragment: Fragment) -> Mapping[str, object]:
    """Return a document of what is certain."""
    told = {"model": fragment.first_text("model"), "usage": fragment.member("usage")}
    for kind in _ENDS:
        if fragment.has(f'"type":"{kind}"'):
            return {"type": kind, "response": told}
    return told


def _chunk(document: Mapping[str, object]) -> Iterator[Event]:
    if name := text_of(document.get("model")):
        yield Model(name)
    choices = list(objects_of(document.get("choices")))
    for choice in choices:
        yield from _choice(choice)
    for event in _usage(document.get("usage"), "prompt_tokens", "completion_tokens"):
        yield Estimate(event) if choices and isinstance(event, Usage) else event


def _choice(choice: Mapping[str, object]) -> Iterator[Event]:
    said = object_of(choice.get("delta")) or object_of(choice.get("message"))
    is_answer = bool(
        text_of(choice.get("text"))
        or text_of(said.get("content"))
        or text_of(said.get("refusal"))
        or said.get("tool_calls")
        or said.get("function_call")
    )
    if is_answer or any(text_of(said.get(name)) for name in _THINKING):
        yield Token(is_answer)
    if reason := text_of(choice.get("finish_reason")):
        yield Finish(reason)


def _response_event(kind: str, document: Mapping[str, object]) -> Iterator[Event]:
    if kind.endswith(".delta") and text_of(document.get("delta")):
        yield Token(is_answer=not kind.startswith("response.reasoning"))
    if kind in _ENDS:
        yield Final()
    if kind == "response.failed":
        yield Failure()
    yield from _response(object_of(document.get("response")))


def _response(response: Mapping[str, object]) -> Iterator[Event]:
    if name := text_of(response.get("model")):
        yield Model(name)
    status = text_of(response.get("status"))
    if status in ("completed", "incomplete"):
        details = object_of(response.get("incomplete_details"))
        yield Finish(text_of(details.get("reason")) or status)
    elif status == "failed":
        yield Failure()
    yield from _usage(response.get("usage"), "input_tokens", "output_tokens")


def _usage(reported: object, prompt_name: str, generated_name: str) -> Iterator[Event]:
    usage = object_of(reported)
    (prompt, generated), bad = counts_of(usage, prompt_name, generated_name)
    details = object_of(usage.get(prompt_name + "_details"))
    (cached,), bad_details = counts_of(details, "cached_tokens")
    cached, bad_cache = checked_cache(cached, prompt)
    yield from bad + bad_details + bad_cache
    if prompt is not None or generated is not None:
        yield Usage(prompt, generated, cached)
