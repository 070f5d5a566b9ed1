"""The real OpenAI client with `proxy.inject_usage`: tokens are counted, it sees no difference."""

import openai
import pytest

from tests.clients.proxied import Proxied
from tests.fakes.llama import ANSWER_TOKENS

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture
def proxy(proxy_for, llama_server) -> Proxied:
    return proxy_for(llama_server, inject_usage=True)


def chunks(client: openai.OpenAI, **options) -> list[dict]:
    """All that the client saw of a stream, but for what differs each time."""
    stream = client.chat.completions.create(model="tiny", messages=HI, stream=True, **options)
    seen = [chunk.to_dict() for chunk in stream]
    for chunk in seen:
        del chunk["id"], chunk["created"]
        chunk.pop("timings", None)
    return seen


def test_a_stream_is_counted_without_being_asked_and_shows_no_more(
    proxy, openai_client, llama_server
):
    seen = chunks(openai_client(proxy.url))
    assert seen == chunks(openai_client(llama_server))
    assert all(chunk["choices"] for chunk in seen)
    proxy.await_ended(1, model="tiny", status="200")
    assert proxy.total("generated_tokens_total", model="tiny") == ANSWER_TOKENS
    assert proxy.total("prompt_tokens_total", model="tiny") == 25
    assert proxy.total("usage_reports_total", state="reported") == 1
    assert proxy.total("decode_tokens_total", source="proxy") == ANSWER_TOKENS - 1


def test_a_stream_that_asks_itself_gets_its_usage(proxy, openai_client, llama_server):
    options = {"stream_options": {"include_usage": True}}
    seen = chunks(openai_client(proxy.url), **options)
    assert seen[-1]["usage"]["completion_tokens"] == ANSWER_TOKENS
    assert len(seen) == len(chunks(openai_client(llama_server), **options))
    proxy.await_ended(1, status="200")
    assert proxy.total("generated_tokens_total") == ANSWER_TOKENS


def test_whole_answers_are_as_before(proxy, openai_client):
    answer = openai_client(proxy.url).chat.completions.create(model="tiny", messages=HI)
    assert answer.usage.completion_tokens == ANSWER_TOKENS
    proxy.await_ended(1, status="200")
