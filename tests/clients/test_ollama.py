"""The real ollama client, through the real proxy, to recorded answers of a real Ollama 0.33."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import ollama
import pytest

from tests.clients.proxied import Proxied
from tests.fakes.upstream import Connection, Request, Upstream, replay

SAMPLES = Path(__file__).parents[1] / "samples/ollama/native"
HI = [{"role": "user", "content": "hi"}]
Ask = Callable[[ollama.AsyncClient], Awaitable[object]]


class Recorded:
    """Answers each path with a recorded answer; the poller's paths have theirs from the start."""

    def __init__(self) -> None:
        self.answers = {
            "/api/ps": "ps-one-model",
            "/api/tags": "tags",
            "/api/version": "version",
        }

    async def __call__(self, connection: Connection, request: Request) -> None:
        name = self.answers[request.target.decode()]
        await replay((SAMPLES / f"{name}.http").read_bytes())(connection, request)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
async def upstream(recorded) -> AsyncIterator[Upstream]:
    async with Upstream(recorded) as running:
        yield running


@pytest.fixture
async def client(proxy) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=proxy.url, trust_env=False) as made:
        yield made


@pytest.fixture
async def proxy(proxy_for, upstream) -> Proxied:
    # In a thread, here and below: the upstream lives in this loop and has to go on.
    return await asyncio.to_thread(proxy_for, upstream.url)


@pytest.fixture
def ended(proxy) -> Callable[..., Awaitable[None]]:
    async def wait(*args, **labels) -> None:
        await asyncio.to_thread(proxy.await_ended, *args, **labels)

    return wait


@pytest.fixture
def total(proxy) -> Callable[..., Awaitable[float]]:
    async def read(*args, **labels) -> float:
        return await asyncio.to_thread(proxy.total, *args, **labels)

    return read


async def test_models_are_listed(client, ended):
    found = await client.list()
    assert [model.model for model in found.models] == [
        *("tiny-loop:latest", "tiny-embed:latest", "tiny:latest")
    ]
    await ended(1, method="GET", endpoint="/api/tags", status="200")


async def test_loaded_models_are_listed(client, ended):
    [model] = (await client.ps()).models
    assert (model.model, model.size_vram) == ("tiny:latest", 0)
    await ended(1, method="GET", endpoint="/api/ps", status="200")


async def test_a_model_is_shown(recorded, client, ended):
    recorded.answers["/api/show"] = "show"
    assert (await client.show("tiny")).details.family == "llama"
    await ended(1, method="POST", endpoint="/api/show", status="200")


async def test_a_streamed_chat_is_whole_and_counted(recorded, client, ended, total):
    recorded.answers["/api/chat"] = "chat-stream"
    stream = await client.chat("tiny", HI, stream=True)
    *pieces, last = [part async for part in stream]
    assert "".join(piece.message.content for piece in pieces).startswith(" The sky is blue")
    assert (len(pieces), last.eval_count, last.done_reason) == (37, 38, "stop")
    await ended(1, method="POST", endpoint="/api/chat", model="tiny", status="200")
    assert await total("generated_tokens_total", model="tiny") == 38
    assert await total("prompt_tokens_total", model="tiny") == 25
    assert await total("time_to_first_token_seconds_count", model="tiny") == 1
    assert await total("request_outcomes_total", outcome="ok") == 1


async def test_the_sync_client_gets_the_same_stream_as_direct(upstream, recorded, proxy, ended):
    recorded.answers["/api/chat"] = "chat-stream"

    def ask(url: str) -> list[ollama.ChatResponse]:
        with ollama.Client(host=url, trust_env=False) as client:
            return list(client.chat("tiny", HI, stream=True))

    direct, proxied = [await asyncio.to_thread(ask, url) for url in (upstream.url, proxy.url)]
    assert proxied == direct
    assert len(proxied) == 38
    await ended(1, endpoint="/api/chat", model="tiny", status="200")


async def test_a_stream_that_it_leaves_is_an_abort_and_upstream_is_told(
    upstream, recorded, client, ended, total
):
    data = (SAMPLES / "chat-stream.http").read_bytes()
    script = replay(data, stop_at=len(data) // 2)

    async def stops_in_the_middle(connection: Connection, request: Request) -> None:
        is_chat = request.target == b"/api/chat"
        await (script if is_chat else recorded)(connection, request)

    upstream.script = stops_in_the_middle
    stream = await client.chat("tiny", HI, stream=True)
    assert (await anext(stream)).message.content
    asked = [each for each in upstream.connections if b"POST /api/chat" in each.received]
    await stream.aclose()
    await asyncio.gather(*(each.is_closed.wait() for each in asked))
    await ended(1, endpoint="/api/chat", model="tiny", status="200")
    assert await total("request_outcomes_total", outcome="client_abort") == 1
    assert await total("generated_tokens_total") == 0


async def test_a_whole_chat_is_counted(recorded, client, ended, total):
    recorded.answers["/api/chat"] = "chat-nonstream"
    answer = await client.chat("tiny", HI)
    assert answer.message.content == " The sky is blue because"
    await ended(1, endpoint="/api/chat", model="tiny", status="200")
    assert await total("generated_tokens_total", model="tiny") == 5
    assert await total("tokens_per_second_count", model="tiny") == 1
    assert await total("time_to_first_token_seconds_count") == 0


@pytest.mark.parametrize(
    ("name", "is_streamed", "tokens"),
    [
        ("generate-stream", True, 3),
        ("generate-nonstream", False, 3),
        ("generate-nonstream-long-context", False, 2600),
    ],
)
async def test_a_generation_is_counted(name, is_streamed, tokens, recorded, client, ended, total):
    recorded.answers["/api/generate"] = name
    if is_streamed:
        last = [part async for part in await client.generate("tiny", "hi", stream=True)][-1]
    else:
        last = await client.generate("tiny", "hi")
    assert last.eval_count == tokens
    await ended(1, endpoint="/api/generate", status="200")
    assert await total("generated_tokens_total") == tokens
    assert await total("time_to_first_token_seconds_count") == int(is_streamed)


async def test_an_embedding_counts_its_prompt_only(recorded, client, ended, total):
    recorded.answers["/api/embed"] = "embed"
    assert len((await client.embed("tiny-embed", ["a", "b c"])).embeddings) == 2
    await ended(1, endpoint="/api/embed", status="200")
    assert await total("prompt_tokens_total", model="tiny-embed") == 8
    assert await total("generated_tokens_total") == 0


MISSING = {
    "chat": (
        "/api/chat",
        "chat-model-missing-404",
        lambda client: client.chat("nope", HI),
        "model 'nope' not found",
    ),
    "show": (
        "/api/show",
        "show-model-missing-404",
        lambda client: client.show("nope"),
        "model 'nope:latest' not found",
    ),
    "embed": (
        "/api/embed",
        "embed-model-missing-404",
        lambda client: client.embed("nope", "x"),
        'model "nope" not found, try pulling it first',
    ),
}


@pytest.mark.parametrize(("path", "name", "ask", "text"), MISSING.values(), ids=MISSING)
async def test_a_missing_model_is_said_in_ollamas_words(
    path: str, name: str, ask: Ask, text: str, recorded, client, ended, total
):
    recorded.answers[path] = name
    with pytest.raises(ollama.ResponseError) as caught:
        await ask(client)
    assert (caught.value.status_code, caught.value.error) == (404, text)
    await ended(1, endpoint=path, status="404")
    assert await total("request_outcomes_total", outcome="client_error") == 1


async def test_an_error_after_a_200_reaches_the_client_and_is_no_success(
    recorded, client, ended, total
):
    recorded.answers["/api/pull"] = "pull-fails-after-200"
    stream = await client.pull("127.0.0.1:9/library/nope", insecure=True, stream=True)
    assert (await anext(stream)).status == "pulling manifest"
    with pytest.raises(ollama.ResponseError, match="connection refused"):
        await anext(stream)
    await ended(1, endpoint="/api/pull", status="200")
    assert await total("request_outcomes_total", outcome="upstream_error") == 1


async def test_a_runner_that_died_in_mid_stream_is_no_success(recorded, client, ended, total):
    recorded.answers["/api/generate"] = "generate-stream-runner-killed"
    stream = await client.generate("tiny-loop", "hi", stream=True)
    with pytest.raises(ollama.ResponseError, match="unexpected EOF"):
        async for _ in stream:
            pass
    await ended(1, endpoint="/api/generate", status="200")
    assert await total("request_outcomes_total", outcome="upstream_error") == 1
    assert await total("generated_tokens_total") == 0


async def test_an_upstream_that_is_down_is_said_by_the_proxy(upstream, client, ended, total):
    await upstream.stop()
    with pytest.raises(ollama.ResponseError) as caught:
        await client.chat("tiny", HI)
    assert caught.value.status_code == 502
    assert caught.value.error.startswith(f"ollamon: cannot reach Ollama at {upstream.url}: ")
    await ended(1, endpoint="/api/chat", status="502")
    assert await total("request_outcomes_total", outcome="upstream_error") == 1
