"""What real clients send reaches upstream as if they had sent it there: tools, images, options."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import anthropic
import ollama
import openai
import pytest

from tests.fakes.upstream import Connection, Request, Upstream, replay

SAMPLES = Path(__file__).parents[1] / "samples/ollama"
ANSWERS = {
    "/api/ps": "native/ps-one-model",
    "/api/tags": "native/tags",
    "/api/version": "native/version",
    "/api/embed": "native/embed",
    "/v1/embeddings": "openai/embeddings",
    "/v1/responses": "openai/responses-nonstream",
}
STREAMED = {
    "/api/chat": "native/chat-stream",
    "/api/generate": "native/generate-stream",
    "/v1/chat/completions": "openai/chat-stream-usage",
    "/v1/completions": "openai/completions-stream-usage",
    "/v1/messages": "anthropic/messages-stream",
}
WHOLE = {
    "/api/chat": "native/chat-nonstream",
    "/api/generate": "native/generate-nonstream",
    "/v1/chat/completions": "openai/chat-nonstream",
    "/v1/completions": "openai/completions-nonstream",
    "/v1/messages": "anthropic/messages-nonstream",
}
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Zürich", "\u2603"]}},
    "required": ["city"],
}
FUNCTION = {"name": "weather", "description": 'says "hot"\n', "parameters": PARAMETERS}
TOOL = {"type": "function", "function": FUNCTION}
MESSAGES_TOOL = {"name": "weather", "input_schema": PARAMETERS}
HI = [{"role": "user", "content": "hi \u2603 \U0001f600"}]
CALLED = [
    *HI,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Z\\u00fcrich"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "hot"},
]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": PARAMETERS}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"


async def script(connection: Connection, request: Request) -> None:
    path = request.target.decode()
    body = await request.whole_body()
    is_streamed = b'"stream":true' in body.replace(b" ", b"")
    name = ANSWERS.get(path) or (STREAMED if is_streamed else WHOLE)[path]
    await replay((SAMPLES / f"{name}.http").read_bytes())(connection, request)


async def by_ollama(url: str, ask: Callable[[ollama.AsyncClient], Awaitable]) -> list[object]:
    async with ollama.AsyncClient(host=url, trust_env=False) as client:
        return await collected(ask(client))


async def by_openai(url: str, ask: Callable[[openai.AsyncOpenAI], Awaitable]) -> list[object]:
    options = {"base_url": f"{url}/v1", "api_key": "none", "max_retries": 0}
    async with openai.AsyncOpenAI(**options) as client:
        return await collected(ask(client))


async def by_anthropic(
    url: str, ask: Callable[[anthropic.AsyncAnthropic], Awaitable]
) -> list[object]:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client:
        return await collected(ask(client))


async def collected(asked: Awaitable) -> list[object]:
    """The parts of a stream, or the one answer."""
    answer = await asked
    if hasattr(answer, "__aiter__"):
        return [part async for part in answer]
    return [answer]


CASES = {
    "ollama chat with tools": (
        by_ollama,
        lambda client: client.chat("tiny", HI, tools=[TOOL], options={"num_predict": 3}),
    ),
    "ollama chat stream with tools": (
        by_ollama,
        lambda client: client.chat(
            "tiny", HI, tools=[TOOL], stream=True, think=True, keep_alive="5m"
        ),
    ),
    "ollama chat with an image and a format": (
        by_ollama,
        lambda client: client.chat("tiny", [HI[0] | {"images": [PIXEL]}], format=PARAMETERS),
    ),
    "ollama generate": (
        by_ollama,
        lambda client: client.generate("tiny", "hi", suffix="x", raw=True, logprobs=True),
    ),
    "ollama generate stream": (
        by_ollama,
        lambda client: client.generate("tiny", "hi", system="be brief", stream=True),
    ),
    "ollama embed": (by_ollama, lambda client: client.embed("tiny", ["a", "b"], truncate=False)),
    "openai chat with tools": (
        by_openai,
        lambda client: client.chat.completions.create(
            *(), model="tiny", messages=CALLED, tools=[TOOL], tool_choice="auto"
        ),
    ),
    "openai chat stream with tools": (
        by_openai,
        lambda client: client.chat.completions.create(
            *(), model="tiny", messages=HI, tools=[TOOL], stream=True, parallel_tool_calls=False
        ),
    ),
    "openai chat with a format": (
        by_openai,
        lambda client: client.chat.completions.create(
            *(), model="tiny", messages=HI, response_format=SCHEMA, logprobs=True, seed=1
        ),
    ),
    "openai completion stream": (
        by_openai,
        lambda client: client.completions.create(model="tiny", prompt="hi", stream=True, n=1),
    ),
    "openai response with tools": (
        by_openai,
        lambda client: client.responses.create(
            model="tiny", input="hi", tools=[{"type": "function", "strict": True} | FUNCTION]
        ),
    ),
    "openai embeddings": (
        by_openai,
        lambda client: client.embeddings.create(model="tiny", input=["a", "b"]),
    ),
    "anthropic message with tools": (
        by_anthropic,
        lambda client: client.messages.create(
            *(), model="tiny", max_tokens=9, messages=HI, tools=[MESSAGES_TOOL], system="be brief"
        ),
    ),
    "anthropic stream with tools": (
        by_anthropic,
        lambda client: client.messages.create(
            *(), model="tiny", max_tokens=9, messages=HI, tools=[MESSAGES_TOOL], stream=True
        ),
    ),
}


def told(request: Request) -> tuple[object, ...]:
    """All that upstream sees of a request, but for what concerns one connection alone."""
    fields = [field for field in request.fields if field[0].lower() != b"connection"]
    return request.method, request.target, fields, bytes(request.body)


@pytest.mark.parametrize(("by", "ask"), CASES.values(), ids=CASES)
async def test_a_request_arrives_as_if_it_were_sent_direct(by, ask, proxy_for):
    async with Upstream(script) as upstream:
        proxy = await asyncio.to_thread(proxy_for, upstream.url)
        direct = await by(upstream.url, ask)
        got = await by(proxy.url, ask)
        first, second = [each for each in upstream.requests if each.method == b"POST"]
        assert told(second) == told(first)
        assert got == direct
        await asyncio.to_thread(proxy.await_ended, 1, status="200")
