"""Ollama's own API: one document of /api/chat, generate, embed, pull, push or create, without I/O.

ollama:api/types.go. Counters are nanoseconds and counts, all `omitempty`: zero is left out.
"""

from collections.abc import Mapping, Sequence

from ollamon.proxy.dialects.fragments import Fragment
from ollamon.proxy.events import (
    NANOSECONDS,
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
    text_of,
)

_COUNTS = ("prompt_eval_count", "eval_count", "prompt_eval_cached_count")
_TIMES = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
_COUNTS_AND_TIMES = frozenset(_COUNTS + _TIMES)


def events(document: object) -> list[Event]:
    """Return what one document says."""
    if not isinstance(document, dict):
        return []
    found: list[Event] = []
    if document.get("error"):
        found.append(Failure())
    if name := text_of(document.get("model")):
        found.append(Model(name))
    token = _token(document)
    if token is not None:
        found.append(token)
    if document.get("done") is True or document.get("status") == "success":
        found.append(Final())
    if reason := text_of(document.get("done_reason")):
        found.append(Finish(reason))
    if not _COUNTS_AND_TIMES.isdisjoint(document):
        found += _usage(document)
    return found


def complete(fragment: Fragment) -> Mapping[str, object] | None:
    """Return a document of what is certain, or None."""
    run = fragment.counters() or {}
    # A run with this counter stands in the last object of a generation alone.
    is_done = "eval_duration" in run or fragment.has('"done":true')
    if not run and not is_done:
        return None
    return {
        "model": fragment.first_text("model"),
        "done": is_done,
        "done_reason": fragment.first_text("done_reason"),
        **run,
    }


def _token(document: Mapping[str, object]) -> Token | None:
    message = object_of(document.get("message"))
    if (
        text_of(message.get("content"))
        or text_of(document.get("response"))
        or message.get("tool_calls")
        or document.get("tool_calls")
    ):
        return Token(is_answer=True)
    has_thought = text_of(document.get("thinking")) or text_of(message.get("thinking"))
    return Token(is_answer=False) if has_thought else None


def _usage(document: Mapping[str, object]) -> Sequence[Event]:
    (prompt, generated, cached), bad = counts_of(document, *_COUNTS)
    nanoseconds, bad_times = counts_of(document, *_TIMES)
    cached, bad_cache = checked_cache(cached, prompt)
    problems = bad + bad_times + bad_cache
    if prompt is None and generated is None and not any(nanoseconds):
        return problems
    if "eval_count" not in document and document.get("done") is True and prompt is not None:
        # Left out because it is 0. An embedding has no `done`, and a lone load no counts.
        generated = 0
    seconds = [None if value is None else value / NANOSECONDS for value in nanoseconds]
    return (*problems, Usage(prompt, generated, cached, *seconds))
