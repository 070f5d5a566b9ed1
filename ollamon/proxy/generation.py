"""What generations add to the series of one model; all of them begin together, at 0.

The children are looked up once: finding one by its labels costs more than adding to it.
"""

from enum import StrEnum

from ollamon.metrics import catalog
from ollamon.metrics.instruments import Example, Instruments
from ollamon.proxy.events import Usage
from ollamon.proxy.observation import Clock, End
from ollamon.proxy.prompts import TokenWeight
from ollamon.proxy.residence import LoadReason


class FinishReason(StrEnum):
    """Why a model stopped, in one vocabulary; values of the label `reason`."""

    # A key of every request; an Enum's own hash is a Python function.
    __hash__ = str.__hash__

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    LOAD = "load"
    UNLOAD = "unload"
    CONTENT_FILTER = "content_filter"
    OTHER = "other"


class UsageState(StrEnum):
    """What a finished generation told of its counts; values of the label `state`."""

    __hash__ = str.__hash__

    REPORTED = "reported"
    PARTIAL = "partial"
    MISSING = "missing"


class UpstreamPhase(StrEnum):
    """Where upstream's time went; values of the label `phase`."""

    __hash__ = str.__hash__

    QUEUE = "queue"
    LOAD = "load"
    PREFILL = "prefill"
    DECODE = "decode"


_CACHED = ("reported", "unreported")
_TIMED = (UpstreamPhase.LOAD, UpstreamPhase.PREFILL, UpstreamPhase.DECODE)
_REASONS = {
    **{reason.value: reason for reason in FinishReason},
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "completed": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "incomplete": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}
NO_GENERATION = frozenset({FinishReason.LOAD, FinishReason.UNLOAD})


def finish_reason(word: str) -> FinishReason:
    """Return a dialect's own word in the one vocabulary."""
    return _REASONS.get(word, FinishReason.OTHER)


def usage_state(usage: Usage) -> UsageState:
    """Return how much of its counts an answer told."""
    told = (usage.prompt_tokens is not None) + (usage.generated_tokens is not None)
    return (UsageState.MISSING, UsageState.PARTIAL, UsageState.REPORTED)[told]


def phases_of(usage: Usage) -> tuple[tuple[UpstreamPhase, float], ...]:
    """Return the seconds of each phase that was reported; what no phase explains is the queue."""
    times = zip(_TIMED, (usage.load_s, usage.prefill_s, usage.decode_s), strict=True)
    known = tuple([(phase, seconds) for phase, seconds in times if seconds])
    if not usage.total_s or not (usage.prefill_s or usage.decode_s):
        # An embedding tells its total alone, and most of that is no queue.
        return known
    queue = usage.total_s - sum(seconds for _, seconds in known)
    return ((UpstreamPhase.QUEUE, queue), *known) if queue > 0 else known


class ModelMeter:
    """The series of one model.

    Args:
        live: The live metrics.
        model: The label.
        is_named: It is a model, not one of `other` and `unknown`.
    """

    def __init__(self, live: Instruments, model: str, *, is_named: bool) -> None:
        counter, histogram = live.counter, live.histogram
        self._prompt_tokens = counter(catalog.PROMPT_TOKENS).labels(model).inc
        self._generated_tokens = counter(catalog.GENERATED_TOKENS).labels(model).inc
        self._cached = counter(catalog.CACHED_PROMPT_TOKENS).labels(model).inc
        self._cache_reported = counter(catalog.CACHE_REPORTED_TOKENS).labels(model).inc
        self._chunks = counter(catalog.STREAMED_CHUNKS).labels(model).inc
        self._rate = histogram(catalog.TOKENS_PER_SECOND).labels(model).observe
        self._per_token = histogram(catalog.TIME_PER_OUTPUT_TOKEN).labels(model).observe
        self._first_token = histogram(catalog.TIME_TO_FIRST_TOKEN).labels(model).observe
        self._first_answer = histogram(catalog.TIME_TO_FIRST_ANSWER).labels(model).observe
        self._load = histogram(catalog.MODEL_LOAD_DURATION).labels(model).observe
        self._cold_load = histogram(catalog.COLD_LOAD_DURATION).labels(model).observe
        self._prompt_size = histogram(catalog.REQUEST_PROMPT_TOKENS).labels(model).observe
        self._generated_size = histogram(catalog.REQUEST_GENERATED_TOKENS).labels(model).observe
        self._finish = {
            reason: counter(catalog.FINISH_REASONS).labels(model, reason.value).inc
            for reason in FinishReason
        }
        self._phase = {
            phase: counter(catalog.UPSTREAM_PHASE).labels(model, phase.value).inc
            for phase in UpstreamPhase
        }
        self._decode = {
            source: (
                counter(catalog.DECODE_TOKENS).labels(model, source.value).inc,
                counter(catalog.DECODE_SECONDS).labels(model, source.value).inc,
            )
            for source in Clock
        }
        self._prefill = {
            cached: (
                counter(catalog.PREFILL_TOKENS).labels(model, cached).inc,
                counter(catalog.PREFILL_SECONDS).labels(model, cached).inc,
            )
            for cached in _CACHED
        }
        self._cut = counter(catalog.PROMPT_TRUNCATIONS).labels(model).inc
        self._weight = TokenWeight()
        if is_named:
            counter(catalog.MODEL_UNPROXIED_USES).labels(model)
            for reason in LoadReason:
                counter(catalog.MODEL_LOADS).labels(model, reason.value)

    def observe(
        self, end: End, example: Example, *, is_cold: bool, context: int | None = None
    ) -> None:
        """Add one generation or embedding that is over.

        Args:
            end: How it ended.
            example: Which one it was.
            is_cold: The model had to be loaded for it.
            context: Length of the model's context in tokens; None is unknown.
        """
        if end.first_token_s is not None:
            self._first_token(end.first_token_s, example)
        if end.first_answer_s is not None:
            self._first_answer(end.first_answer_s)
        if end.decode is not None:
            self._rate(end.decode.rate, example)
            self._per_token(1 / end.decode.rate)
            tokens, seconds = self._decode[end.decode.source]
            tokens(end.decode.tokens)
            seconds(end.decode.seconds)
        if end.objects and end.is_stream:
            self._chunks(end.objects)
        if end.finish:
            self._finish[finish_reason(end.finish)]()
        self._observe_load(end.usage.load_s, is_cold=is_cold)
        self._observe_usage(end.usage)
        prompt = end.usage.prompt_tokens
        if end.is_text and prompt and self._weight.is_cut(end.request_size, prompt, context):
            self._cut()

    def _observe_load(self, load_s: float | None, *, is_cold: bool) -> None:
        if load_s:
            self._load(load_s)
            if is_cold:
                self._cold_load(load_s)

    def _observe_usage(self, usage: Usage) -> None:
        if usage.prompt_tokens is not None:
            self._prompt_tokens(usage.prompt_tokens)
            self._prompt_size(usage.prompt_tokens)
            self._observe_prefill(usage, usage.prompt_tokens)
        if usage.generated_tokens is not None:
            self._generated_tokens(usage.generated_tokens)
            self._generated_size(usage.generated_tokens)
        for phase, seconds in phases_of(usage):
            self._phase[phase](seconds)

    def _observe_prefill(self, usage: Usage, prompt: int) -> None:
        cached = usage.cached_tokens
        if cached is not None:
            self._cached(cached)
            self._cache_reported(prompt)
        if usage.prefill_s:
            tokens, seconds = self._prefill["unreported" if cached is None else "reported"]
            tokens(prompt - (cached or 0))
            seconds(usage.prefill_s)
