"""The real OpenAI client, through the real proxy, to real inference by llama.cpp.

The tiny model's answer is 38 tokens, so every count is checked against truth.
"""

import asyncio
import json
import urllib.request

import openai
import pytest

from tests.clients.proxied import OPENER, eventually
from tests.fakes.llama import ANSWER_TOKENS

HI = [{"role": "user", "content": "hi"}]
WITH_USAGE = {"stream_options": {"include_usage": True}}
CHAT = "/v1/chat/completions"


@pytest.fixture
def proxy(proxy_for, llama_server):
    return proxy_for(llama_server)


@pytest.fixture
def client(openai_client, proxy) -> openai.OpenAI:
    return openai_client(proxy.url)


@pytest.fixture
def direct(openai_client, llama_server) -> openai.OpenAI:
    return openai_client(llama_server)


def whole(client: openai.OpenAI) -> str:
    answer = client.chat.completions.create(model="tiny", messages=HI)
    assert answer.usage.completion_tokens == ANSWER_TOKENS
    return answer.choices[0].message.content


def streamed(client: openai.OpenAI, **options) -> str:
    stream = client.chat.completions.create(model="tiny", messages=HI, stream=True, **options)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_a_whole_answer_is_the_same_and_counted(proxy, client, direct):
    assert whole(client) == whole(direct)
    proxy.await_ended(1, method="POST", endpoint=CHAT, model="tiny", status="200")
    assert proxy.total("generated_tokens_total", model="tiny") == ANSWER_TOKENS
    assert proxy.total("prompt_tokens_total", model="tiny") == 25
    assert proxy.total("request_outcomes_total", outcome="ok") == 1
    assert proxy.total("request_duration_seconds_count", model="tiny") == 1
    # Only a stream shows when its first token came.
    assert proxy.total("time_to_first_token_seconds_count") == 0


def test_a_stream_that_tells_its_usage_is_the_same_and_counted(proxy, client, direct):
    assert streamed(client, **WITH_USAGE) == streamed(direct, **WITH_USAGE)
    proxy.await_ended(1, method="POST", endpoint=CHAT, model="tiny", status="200")
    assert proxy.total("generated_tokens_total", model="tiny") == ANSWER_TOKENS
    assert proxy.total("time_to_first_token_seconds_count", model="tiny") == 1
    assert proxy.total("request_outcomes_total", outcome="ok") == 1


def test_a_stream_that_was_not_asked_for_its_usage_has_no_counts(proxy, client, direct):
    assert streamed(client) == streamed(direct)
    proxy.await_ended(1, status="200")
    assert proxy.total("generated_tokens_total") == 0
    assert proxy.total("prompt_tokens_total") == 0
    assert proxy.total("time_to_first_token_seconds_count", model="tiny") == 1
    assert proxy.total("request_outcomes_total", outcome="ok") == 1


def test_a_stream_is_active_while_it_runs(proxy_for, llama_loop_server, openai_client):
    proxy = proxy_for(llama_loop_server)
    client = openai_client(proxy.url)
    with client.chat.completions.create(model="tiny", messages=HI, stream=True) as stream:
        next(iter(stream))
        eventually(lambda: proxy.total("active_requests") == 1, "one request in flight")
        assert proxy.total("requests_total") == 0
    proxy.await_ended(1)


def slots_in_use(server: str) -> float:
    """What llama.cpp itself says."""
    with OPENER.open(f"{server}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    [line] = [line for line in text.splitlines() if line.startswith("llamacpp:requests_processing")]
    return float(line.split()[1])


def test_an_aborted_stream_frees_the_model_and_is_an_abort(
    proxy_for, llama_loop_server, openai_client
):
    proxy = proxy_for(llama_loop_server)
    client = openai_client(proxy.url)
    stream = client.chat.completions.create(model="tiny", messages=HI, stream=True)
    for _, _ in zip(range(5), stream, strict=False):
        pass
    stream.close()
    eventually(lambda: slots_in_use(llama_loop_server) == 0, "the slot is free")
    proxy.await_ended(1)
    assert proxy.total("request_outcomes_total", outcome="client_abort") == 1


async def test_eight_streams_at_once_are_whole_and_counted(proxy, direct):
    async with openai.AsyncOpenAI(
        base_url=f"{proxy.url}/v1", api_key="none", max_retries=0
    ) as client:

        async def one() -> str:
            stream = await client.chat.completions.create(
                model="tiny", messages=HI, stream=True, **WITH_USAGE
            )
            return "".join(
                [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            )

        texts = await asyncio.gather(*(one() for _ in range(8)))
    assert set(texts) == {streamed(direct)}
    proxy.await_ended(8, status="200")
    assert proxy.total("generated_tokens_total") == 8 * ANSWER_TOKENS
    assert proxy.total("time_to_first_token_seconds_count") == 8


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_completion_is_counted(is_streamed, proxy, client):
    options = {"stream": True} | WITH_USAGE if is_streamed else {}
    answer = client.completions.create(model="tiny", prompt="hi", **options)
    chunks = list(answer) if is_streamed else [answer]
    text = "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
    assert text.startswith(" The sky is blue")
    proxy.await_ended(1, endpoint="/v1/completions", status="200")
    assert proxy.total("generated_tokens_total", model="tiny") == ANSWER_TOKENS
    assert proxy.total("time_to_first_token_seconds_count") == int(is_streamed)


def test_embeddings_are_the_same_and_counted(proxy_for, llama_embedding_server, openai_client):
    proxy = proxy_for(llama_embedding_server)
    answers = [
        openai_client(url).embeddings.create(model="tiny", input=["hi", "you"])
        for url in (proxy.url, llama_embedding_server)
    ]
    assert answers[0].data == answers[1].data
    proxy.await_ended(1, endpoint="/v1/embeddings", status="200")
    assert proxy.total("prompt_tokens_total") == answers[0].usage.prompt_tokens > 0
    assert proxy.total("generated_tokens_total") == 0


def messages(url: str, **options) -> bytes:
    body = {"model": "tiny", "max_tokens": 100, "messages": HI} | options
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/messages", json.dumps(body).encode(), headers)
    with OPENER.open(request, timeout=30) as answer:
        return answer.read()


def test_whole_messages_of_anthropic_are_counted(proxy):
    usage = json.loads(messages(proxy.url))["usage"]
    assert usage["output_tokens"] == ANSWER_TOKENS
    proxy.await_ended(1, endpoint="/v1/messages", status="200")
    assert proxy.total("generated_tokens_total", model="tiny") == ANSWER_TOKENS
    # llama.cpp says how many of the prompt's tokens were cached apart from the others.
    assert proxy.total("prompt_tokens_total", model="tiny") == 25


def test_streamed_messages_of_anthropic_are_counted(proxy):
    text = messages(proxy.url, stream=True)
    assert text.count(b"text_delta") == ANSWER_TOKENS - 1
    proxy.await_ended(1, endpoint="/v1/messages", status="200")
    assert proxy.total("generated_tokens_total", model="tiny") == ANSWER_TOKENS
    assert proxy.total("time_to_first_token_seconds_count", model="tiny") == 1
    assert proxy.total("request_outcomes_total", outcome="ok") == 1


def test_an_error_of_the_server_reaches_the_client(proxy, client, direct):
    for one in (client, direct):
        with pytest.raises(openai.APIStatusError) as caught:
            one.chat.completions.create(model="tiny", messages=[{"role": "nobody"}])
        assert caught.value.status_code >= 400
    status = str(caught.value.status_code)
    proxy.await_ended(1, status=status)
