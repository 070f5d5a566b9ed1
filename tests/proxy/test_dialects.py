"""Documents made up after each API, and some of llama.cpp, to events.

Modules: ollamon.proxy.dialects.ollama, ollamon.proxy.dialects.openai, and anthropic beside them.
"""

import json

import pytest

from ollamon.proxy.dialects import anthropic, ollama, openai
from ollamon.proxy.dialects.fragments import Fragment
from ollamon.proxy.events import (
    Estimate,
    Failure,
    Final,
    Finish,
    Invalid,
    Model,
    Token,
    Usage,
)

ANSWER, THINKING = Token(is_answer=True), Token(is_answer=False)

OLLAMA = {
    "content": ({"message": {"content": "x"}, "done": False}, [ANSWER]),
    "no content": ({"message": {"role": "assistant", "content": ""}}, []),
    "thinking": ({"message": {"content": "", "thinking": "x"}}, [THINKING]),
    "a tool call": ({"message": {"tool_calls": [{"function": {}}]}}, [ANSWER]),
    "no tool call": ({"message": {"tool_calls": []}}, []),
    "a response": ({"response": "x"}, [ANSWER]),
    "thinking of generate": ({"response": "", "thinking": "x"}, [THINKING]),
    "a model": ({"model": "m"}, [Model("m")]),
    "an error": ({"error": "x"}, [Failure()]),
    "progress": ({"status": "pulling", "total": 5, "completed": 1}, []),
    "progress to the end": ({"status": "success"}, [Final()]),
    "load only": (
        {"response": "", "done": True, "done_reason": "load"},
        [Final(), Finish("load")],
    ),
    "counts": (
        {
            **{"done": True, "prompt_eval_count": 25, "eval_count": 3, "total_duration": 4e9},
            **{"total_duration": 4_000_000_000, "load_duration": 500_000_000},
            **{"prompt_eval_duration": 1_000_000_000, "eval_duration": 2_000_000_000},
        },
        [Final(), Usage(25, 3, None, 4.0, 0.5, 1.0, 2.0)],
    ),
    "a count of zero, left out": (
        {"done": True, "prompt_eval_count": 25},
        [Final(), Usage(25, 0)],
    ),
    "a prompt count of zero, or an old server": (
        {"done": True, "eval_count": 3},
        [Final(), Usage(None, 3)],
    ),
    "an embedding": ({"embeddings": [[1]], "prompt_eval_count": 8}, [Usage(8)]),
    "cached tokens": (
        {"prompt_eval_count": 25, "eval_count": 1, "prompt_eval_cached_count": 24},
        [Usage(25, 1, 24)],
    ),
    "more cached than sent": (
        {"prompt_eval_count": 25, "eval_count": 1, "prompt_eval_cached_count": 26},
        [Invalid(), Usage(25, 1)],
    ),
    "a bad count": (
        {"done": True, "prompt_eval_count": 25, "eval_count": True},
        [Final(), Invalid(), Usage(25)],
    ),
    "a list": ([1], []),
    "null": (None, []),
    "odd types": ({"message": "x", "response": 3, "model": 4, "done": 1, "status": []}, []),
}

USAGE = {"prompt_tokens": 25, "completion_tokens": 3, "total_tokens": 28}
OPENAI = {
    "content": ({"choices": [{"delta": {"content": "x"}}]}, [ANSWER]),
    "a role alone": ({"choices": [{"delta": {"role": "assistant", "content": None}}]}, []),
    "reasoning of Ollama": ({"choices": [{"delta": {"reasoning": "x"}}]}, [THINKING]),
    "reasoning of llama.cpp": ({"choices": [{"delta": {"reasoning_content": "x"}}]}, [THINKING]),
    "a tool call": ({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}, [ANSWER]),
    "a refusal": ({"choices": [{"delta": {"refusal": "no"}}]}, [ANSWER]),
    "text": ({"choices": [{"text": "x"}]}, [ANSWER]),
    "the second choice": ({"choices": [{"delta": {}}, {"delta": {"content": "x"}}]}, [ANSWER]),
    "a finish": ({"choices": [{"delta": {}, "finish_reason": "length"}]}, [Finish("length")]),
    "usage without choices": ({"choices": [], "usage": USAGE}, [Usage(25, 3)]),
    "usage beside a choice": (
        {"choices": [{"text": ""}], "usage": USAGE},
        [Estimate(Usage(25, 3))],
    ),
    "no usage": ({"choices": [], "usage": None}, []),
    "cached tokens": (
        {"usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 24}}},
        [Usage(25, 3, 24)],
    ),
    "an embedding": ({"model": "e", "usage": {"prompt_tokens": 4}}, [Model("e"), Usage(4)]),
    "a bad count": (
        {"usage": {"prompt_tokens": -1, "completion_tokens": 3}},
        [Invalid(), Usage(None, 3)],
    ),
    "an error": ({"error": {"message": "x"}}, [Failure()]),
    "an error event": ({"type": "error", "message": "x"}, [Failure()]),
    "a responses delta": ({"type": "response.output_text.delta", "delta": "x"}, [ANSWER]),
    "an empty delta": ({"type": "response.output_text.delta", "delta": ""}, []),
    "reasoning": ({"type": "response.reasoning_text.delta", "delta": "x"}, [THINKING]),
    "a function call": ({"type": "response.function_call_arguments.delta", "delta": "{"}, [ANSWER]),
    "created": (
        {"type": "response.created", "response": {"model": "m", "status": "in_progress"}},
        [Model("m")],
    ),
    "completed": (
        {
            "type": "response.completed",
            "response": {
                "status": "completed",
                "usage": {
                    **{"input_tokens": 25, "output_tokens": 3},
                    "input_tokens_details": {"cached_tokens": 0},
                },
            },
        },
        [Final(), Finish("completed"), Usage(25, 3, 0)],
    ),
    "incomplete": (
        {
            "type": "response.incomplete",
            "response": {
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
            },
        },
        [Final(), Finish("max_output_tokens")],
    ),
    "failed": ({"type": "response.failed", "response": {}}, [Final(), Failure()]),
    "a failed response": ({"object": "response", "status": "failed"}, [Failure()]),
    "a list": ([1], []),
    "odd types": ({"choices": {"a": 1}, "usage": [], "model": 1, "type": 2}, []),
    "odd choices": ({"choices": [1, None, {"delta": "x", "text": 3}]}, []),
}

ANTHROPIC = {
    "a start": (
        {
            "type": "message_start",
            "message": {"model": "m", "usage": {"input_tokens": 1, "output_tokens": 0}},
        },
        [Model("m"), Estimate(Usage(1))],
    ),
    "a start with cached tokens": (
        {
            "type": "message_start",
            "message": {
                "usage": {
                    **{"input_tokens": 1, "cache_read_input_tokens": 24},
                    "cache_creation_input_tokens": 5,
                }
            },
        },
        [Estimate(Usage(30, None, 24))],
    ),
    "an empty start": ({"type": "message_start"}, []),
    "a text block": ({"type": "content_block_start", "content_block": {"type": "text"}}, []),
    "a tool": ({"type": "content_block_start", "content_block": {"type": "tool_use"}}, [ANSWER]),
    "text": ({"type": "content_block_delta", "delta": {"text": "x"}}, [ANSWER]),
    "no text": ({"type": "content_block_delta", "delta": {"text": ""}}, []),
    "thinking": ({"type": "content_block_delta", "delta": {"thinking": "x"}}, [THINKING]),
    "a signature": ({"type": "content_block_delta", "delta": {"signature": "x"}}, []),
    "arguments": ({"type": "content_block_delta", "delta": {"partial_json": "{"}}, [ANSWER]),
    "an end": (
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": 25, "output_tokens": 3},
        },
        [Finish("end_turn"), Usage(25, 3)],
    ),
    "an end of llama.cpp": (
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 2}},
        [Usage(None, 2)],
    ),
    "a stop": ({"type": "message_stop"}, [Final()]),
    "a ping": ({"type": "ping"}, []),
    "an error": ({"type": "error", "error": {"type": "overloaded_error"}}, [Failure()]),
    "a message": (
        {
            **{"type": "message", "model": "m", "stop_reason": "max_tokens"},
            "usage": {"input_tokens": 1, "output_tokens": 4, "cache_read_input_tokens": 24},
        },
        [Model("m"), Finish("max_tokens"), Usage(25, 4, 24)],
    ),
    "an empty message": ({"type": "message", "content": []}, []),
    "a bad count": (
        {"type": "message_delta", "usage": {"input_tokens": 1.5, "output_tokens": 4}},
        [Invalid(), Usage(None, 4)],
    ),
    "a list": ([1], []),
    "odd types": ({"type": ["x"], "delta": 3}, []),
}


@pytest.mark.parametrize(("document", "events"), OLLAMA.values(), ids=OLLAMA.keys())
def test_a_document_of_ollama(document, events):
    assert list(ollama.events(document)) == events


@pytest.mark.parametrize(("document", "events"), OPENAI.values(), ids=OPENAI.keys())
def test_a_document_of_openai(document, events):
    assert list(openai.events(document)) == events


@pytest.mark.parametrize(("document", "events"), ANTHROPIC.values(), ids=ANTHROPIC.keys())
def test_a_document_of_anthropic(document, events):
    assert list(anthropic.events(document)) == events


def edges(text: str) -> Fragment:
    return Fragment(text[:4096].encode(), text[-4096:].encode())


LONG = "x" * 70_000
RUN = '"total_duration":9,"load_duration":1,"prompt_eval_count":25,"eval_count":3,"eval_duration":2'


def test_the_run_of_counters_is_found_behind_a_long_context():
    context = ",".join(["391"] * 20_000)
    fragment = edges(
        f'{{"model":"m","response":"","done":true,"done_reason":"stop","context":[{context}],{RUN}}}'
    )
    events = list(ollama.events(ollama.complete(fragment)))
    assert Model("m") in events
    assert Final() in events
    assert Finish("stop") in events
    assert Usage(25, 3, None, 9e-9, 1e-9, None, 2e-9) in events


def test_a_run_that_stands_there_twice_is_not_believed():
    fragment = edges(f'{{"a":{{{RUN}}},"b":"{LONG}",{RUN}}}')
    assert fragment.counters() is None
    assert ollama.complete(fragment) is None


def test_a_run_inside_a_text_is_none():
    text = json.dumps({"response": LONG + "{" + RUN + "}", "done": False})
    assert edges(text).counters() is None


def test_a_final_line_without_a_run_is_still_final():
    fragment = edges(f'{{"model":"m","done":true,"logprobs":["{LONG}"]}}')
    assert list(ollama.events(ollama.complete(fragment))) == [Model("m"), Final()]


def test_counters_too_large_for_an_integer_are_no_run():
    fragment = edges(f'{{"response":"{LONG}","total_duration":{"9" * 5000}}}')
    assert fragment.counters() is None


def test_usage_is_found_behind_a_long_text():
    fragment = edges(
        f'{{"id":"c","model":"m","choices":[{{"message":{{"content":"{LONG}"}}}}],'
        '"usage":{"prompt_tokens":25,"completion_tokens":3}}'
    )
    assert list(openai.events(openai.complete(fragment))) == [Model("m"), Usage(25, 3)]


def test_a_long_response_is_complete():
    fragment = edges(
        f'{{"response":{{"model":"m","output":["{LONG}"],'
        '"usage":{"input_tokens":25,"output_tokens":3}},"type":"response.completed"}'
    )
    events = list(openai.events(openai.complete(fragment)))
    assert events == [Final(), Model("m"), Usage(25, 3)]


def test_a_long_message_is_read():
    fragment = edges(
        f'{{"type":"message","model":"m","content":[{{"text":"{LONG}"}}],'
        '"stop_reason":"end_turn","usage":{"input_tokens":25,"output_tokens":4}}'
    )
    events = list(anthropic.events(anthropic.complete(fragment)))
    assert events == [Model("m"), Finish("end_turn"), Usage(25, 4)]


def test_a_member_that_stands_there_twice_or_cut_is_none():
    assert edges('{"usage":{"a":1},"usage":{"a":2}}').member("usage") is None
    assert Fragment(b'{"usage":{"a":', b"...").member("usage") is None
    assert Fragment(b'{"x":', b'"usage": {"a":1}}').member("usage") == {"a": 1}
    assert Fragment(b'{"x":', b'"usage":' + b"[" * 4000).member("usage") is None
