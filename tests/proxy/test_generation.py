import pytest

from ollamon.proxy.events import Usage
from ollamon.proxy.generation import (
    FinishReason,
    UpstreamPhase,
    UsageState,
    finish_reason,
    phases_of,
    usage_state,
)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *((word, FinishReason.STOP) for word in ("stop", "end_turn", "stop_sequence", "completed")),
        *((word, FinishReason.LENGTH) for word in ("length", "max_tokens", "incomplete")),
        ("max_output_tokens", FinishReason.LENGTH),
        *((word, FinishReason.TOOL_CALLS) for word in ("tool_calls", "tool_use", "function_call")),
        ("load", FinishReason.LOAD),
        ("unload", FinishReason.UNLOAD),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("a new word", FinishReason.OTHER),
        ("other", FinishReason.OTHER),
    ],
)
def test_words_of_all_dialects_have_one_meaning(word, reason):
    assert finish_reason(word) is reason


@pytest.mark.parametrize(
    ("usage", "state"),
    [
        (Usage(), UsageState.MISSING),
        (Usage(prompt_tokens=0), UsageState.PARTIAL),
        (Usage(generated_tokens=3), UsageState.PARTIAL),
        (Usage(prompt_tokens=0, generated_tokens=0), UsageState.REPORTED),
    ],
)
def test_a_reported_zero_is_a_report(usage, state):
    assert usage_state(usage) is state


def test_what_no_phase_explains_was_the_queue():
    usage = Usage(total_s=10.0, load_s=1.0, prefill_s=2.0, decode_s=4.0)
    assert phases_of(usage) == (
        (UpstreamPhase.QUEUE, 3.0),
        (UpstreamPhase.LOAD, 1.0),
        (UpstreamPhase.PREFILL, 2.0),
        (UpstreamPhase.DECODE, 4.0),
    )


@pytest.mark.parametrize(
    ("usage", "phases"),
    [
        (Usage(), ()),
        (Usage(decode_s=2.0), ((UpstreamPhase.DECODE, 2.0),)),
        (Usage(total_s=1.0, decode_s=2.0), ((UpstreamPhase.DECODE, 2.0),)),
        (Usage(total_s=1.0, load_s=0.5), ((UpstreamPhase.LOAD, 0.5),)),
    ],
)
def test_a_queue_is_never_negative_and_never_guessed(usage, phases):
    assert phases_of(usage) == phases
