import json
import math

import pytest

from ollamon.demo import asks, bodies
from ollamon.demo.bodies import RefusedError
from tests.demo import recorded

HI = [{"role": "user", "content": "hi"}]


def chat(**body):
    return asks.chat_job(bodies.parse(bodies.Chat, encoded(**body)))


def generate(**body):
    return asks.generate_job(bodies.parse(bodies.Generate, encoded(**body)))


def embed(**body):
    return asks.embed_job(bodies.parse(bodies.Embed, encoded(**body)))


def openai(**body):
    return asks.openai_job(bodies.parse(bodies.OpenAiChat, encoded(**body)))


def encoded(**body) -> bytes:
    return json.dumps({"model": "llama3.2:3b"} | body).encode()


def refusal(call) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value


def renamed(sample: str, name: str) -> object:
    """The text of a recorded error, with another model's name."""
    error = recorded.document(sample)["error"]
    text = error["message"] if isinstance(error, dict) else error
    return text.replace("tiny:latest", name).replace("tiny", name)


REFUSALS = {
    "a missing model in a chat": (
        lambda: chat(model="nope", messages=HI),
        404,
        "native/chat-model-missing-404.http",
    ),
    "a missing model in an embedding": (
        lambda: embed(model="nope", input="x"),
        404,
        "native/embed-model-missing-404.http",
    ),
    "a missing model to be shown": (
        lambda: asks.shown("nope"),
        404,
        "native/show-model-missing-404.http",
    ),
    "a missing model in OpenAI's words": (
        lambda: openai(model="nope", messages=HI),
        404,
        "openai/chat-model-missing-404.http",
    ),
    "tools": (
        lambda: chat(messages=HI, tools=[{}]),
        400,
        "native/chat-tools-unsupported-400.http",
    ),
    "thinking": (
        lambda: chat(messages=HI, think=True),
        400,
        "native/chat-think-unsupported-400.http",
    ),
    "an embedding from a model that makes none": (
        lambda: embed(input="x"),
        501,
        "native/embed-not-an-embedding-model-501.http",
    ),
    "no body": (
        lambda: bodies.parse(bodies.Chat, b""),
        400,
        "native/chat-no-body-400.http",
    ),
    "a body that is cut": (
        lambda: bodies.parse(bodies.Chat, b'{"model":'),
        400,
        "native/chat-bad-json-400.http",
    ),
    "no messages in OpenAI's words": (
        lambda: openai(messages=[]),
        400,
        "openai/chat-no-messages-400.http",
    ),
}


@pytest.mark.parametrize(("call", "status", "sample"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_worded_as_ollama_words_it(call, status, sample):
    refused = refusal(call)
    assert (refused.status, refused.text) == (status, renamed(sample, "llama3.2:3b"))


OTHER_REFUSALS = {
    "no model": (lambda: chat(model="", messages=HI), "model is required"),
    "a chat with an embedding model": (
        lambda: chat(model="nomic-embed-text", messages=HI),
        '"nomic-embed-text" does not support chat',
    ),
    "a body of another shape": (
        lambda: chat(messages="hi"),
        "invalid request body: messages: Input should be a valid list",
    ),
    "text that is no JSON": (
        lambda: bodies.parse(bodies.Chat, b"hello"),
        "invalid character 'h' looking for beginning of value",
    ),
    "nesting without end": (lambda: bodies.parse(bodies.Chat, b"[" * 200_000), "unexpected EOF"),
    "a body that is no text": (lambda: bodies.parse(bodies.Chat, b"\xff\xfe{"), "unexpected EOF"),
    "a duration without a unit": (
        lambda: chat(messages=HI, keep_alive="300"),
        'time: invalid duration "300"',
    ),
}


@pytest.mark.parametrize(("call", "text"), OTHER_REFUSALS.values(), ids=OTHER_REFUSALS)
def test_what_cannot_be_read_or_done_is_a_400(call, text):
    refused = refusal(call)
    assert (refused.status, refused.text) == (400, text)


KEPT = {
    None: 300,
    60: 60,
    0: 0,
    -1: math.inf,
    "5m": 300,
    "1h30m": 5400,
    "1.5s": 1.5,
    "-1s": math.inf,
    "0s": 0,
}


@pytest.mark.parametrize(("value", "seconds"), KEPT.items())
def test_keep_alive_is_a_number_of_seconds_or_a_duration(value, seconds):
    assert chat(messages=HI, keep_alive=value).keep_s == seconds


def test_a_longer_prompt_has_more_tokens_up_to_the_context():
    counts = [generate(prompt="word " * words).prompt_tokens for words in (1, 100, 100_000)]
    assert counts[0] < counts[1] < counts[2] == 4096


def test_a_limit_comes_under_each_name_that_clients_use():
    assert chat(messages=HI, options={"num_predict": 3}).limit == 3
    assert chat(messages=HI, options={"num_predict": -1}).limit is None
    assert openai(messages=HI, max_tokens=4).limit == 4
    assert openai(messages=HI, max_completion_tokens=5).limit == 5
    assert openai(messages=HI).limit is None


def test_a_model_that_thinks_does_so_unless_it_is_told_not_to():
    assert chat(model="qwen3:8b", messages=HI).thinks
    assert not chat(model="qwen3:8b", messages=HI, think=False).thinks
    assert openai(model="qwen3:8b", messages=HI).thinks
    assert not openai(model="qwen3:8b", messages=HI, reasoning_effort="none").thinks
    assert not chat(messages=HI).thinks


def test_content_in_parts_is_read():
    parts = [{"type": "text", "text": "word " * 50}, {"type": "image_url"}]
    asked = openai(messages=[{"role": "user", "content": parts}])
    assert asked.prompt_tokens > openai(messages=HI).prompt_tokens


def test_one_input_and_many_are_embedded_alike():
    one, many = (
        embed(model="nomic-embed-text", input="a"),
        embed(model="nomic-embed-text", input=["a", "a"]),
    )
    assert many.prompt_tokens == 2 * one.prompt_tokens
