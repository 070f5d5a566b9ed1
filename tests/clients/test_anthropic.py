"""The real Anthropic client, through the real proxy, to real inference and to recorded answers."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import anthropic
import pytest

from tests.clients.proxied import Proxied, eventually
from tests.clients.test_openai import slots_in_use
from tests.fakes.llama import ANSWER_TOKENS
from tests.fakes.upstream import Connection, Request, Upstream, replay

SAMPLES = Path(__file__).parents[1] / "samples/ollama"
MESSAGES = "/v1/messages"
ASK = {"model": "tiny", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def client_of() -> Iterator[Callable[[str], anthropic.Anthropic]]:
    made = []

    def make(url: str) -> anthropic.Anthropic:
        made.append(anthropic.Anthropic(base_url=url, api_key="none", max_retries=0))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def proxy(proxy_for, llama_server) -> Proxied:
    return proxy_for(llama_server)


def streamed(client: anthropic.Anthropic) -> tuple[str, int]:
    with client.messages.stream(**ASK) as stream:
        text = "".join(stream.text_stream)
        return text, stream.get_final_message().usage.output_tokens


def test_a_whole_message_is_the_same_and_counted(proxy, client_of, llama_server):
    got, direct = (client_of(url).messages.create(**ASK) for url in (proxy.url, llama_server))
    assert got.content == direct.content
    assert got.stop_reason == direct.stop_reason == "end_turn"
    assert got.usage.output_tokens == ANSWER_TOKENS
    proxy.await_ended(1, method="POST", endpoint=MESSAGES, model="tiny", status="200")
    assert proxy.total("generated_tokens_total", model="tiny") == ANSWER_TOKENS
    assert proxy.total("prompt_tokens_total", model="tiny") == 25
    assert proxy.total("finish_reasons_total", model="tiny", reason="stop") == 1
    assert proxy.total("usage_reports_total", endpoint=MESSAGES, state="reported") == 1


def test_a_streamed_message_is_the_same_and_counted(proxy, client_of, llama_server):
    got = streamed(client_of(proxy.url))
    assert got == streamed(client_of(llama_server))
    assert got[1] == ANSWER_TOKENS
    proxy.await_ended(1, endpoint=MESSAGES, status="200")
    assert proxy.total("generated_tokens_total", model="tiny") == ANSWER_TOKENS
    assert proxy.total("time_to_first_token_seconds_count", model="tiny") == 1
    assert proxy.total("request_outcomes_total", outcome="ok") == 1


async def test_four_streams_of_the_async_client_are_whole_and_counted(proxy):
    async with anthropic.AsyncAnthropic(
        base_url=proxy.url, api_key="none", max_retries=0
    ) as client:

        async def one() -> str:
            async with client.messages.stream(**ASK) as stream:
                return "".join([text async for text in stream.text_stream])

        texts = await asyncio.gather(*(one() for _ in range(4)))
    assert len(set(texts)) == 1
    proxy.await_ended(4, status="200")
    assert proxy.total("generated_tokens_total") == 4 * ANSWER_TOKENS


def test_an_aborted_stream_frees_the_model_and_is_an_abort(proxy_for, llama_loop_server, client_of):
    proxy = proxy_for(llama_loop_server)
    with client_of(proxy.url).messages.stream(**ASK | {"max_tokens": 100_000}) as stream:
        for _, _ in zip(range(5), stream, strict=False):
            pass
    eventually(lambda: slots_in_use(llama_loop_server) == 0, "the slot is free")
    proxy.await_ended(1)
    assert proxy.total("request_outcomes_total", outcome="client_abort") == 1


def answered(name: str) -> Callable[[Connection, Request], object]:
    """Answer messages with a recorded answer, and the poller with its own."""
    polls = {"/api/ps": "ps-one-model", "/api/tags": "tags", "/api/version": "version"}

    async def script(connection: Connection, request: Request) -> None:
        poll = polls.get(request.target.decode())
        path = f"native/{poll}" if poll else f"anthropic/{name}"
        await replay((SAMPLES / f"{path}.http").read_bytes())(connection, request)

    return script


async def test_a_recorded_stream_of_ollama_is_understood(proxy_for, client_of):
    async with Upstream(answered("messages-stream")) as upstream:
        proxy = await asyncio.to_thread(proxy_for, upstream.url)
        got, direct = [
            await asyncio.to_thread(streamed, client_of(url)) for url in (proxy.url, upstream.url)
        ]
        assert got == direct
        await asyncio.to_thread(proxy.await_ended, 1, endpoint=MESSAGES, status="200")
        assert await asyncio.to_thread(proxy.total, "generated_tokens_total") == got[1] > 0


@pytest.mark.parametrize(
    ("name", "error", "status"),
    [
        ("messages-model-missing-404", anthropic.NotFoundError, 404),
        ("messages-queue-full-503", anthropic.InternalServerError, 503),
    ],
)
async def test_a_recorded_error_is_the_same_direct_and_proxied(
    name, error, status, proxy_for, client_of
):
    async with Upstream(answered(name)) as upstream:
        proxy = await asyncio.to_thread(proxy_for, upstream.url)
        texts = []
        for url in (proxy.url, upstream.url):
            with pytest.raises(error) as caught:
                await asyncio.to_thread(client_of(url).messages.create, **ASK)
            assert caught.value.status_code == status
            texts.append(caught.value.message)
        assert texts[0] == texts[1]
        await asyncio.to_thread(proxy.await_ended, 1, status=str(status))


def test_an_upstream_that_is_down_is_said_by_the_proxy(proxy_for, client_of, free_port):
    proxy = proxy_for(f"http://127.0.0.1:{free_port}")
    with pytest.raises(anthropic.InternalServerError, match="ollamon: cannot reach Ollama") as said:
        client_of(proxy.url).messages.create(**ASK)
    assert said.value.status_code == 502
    assert said.value.body["error"]["type"] == "api_error"
