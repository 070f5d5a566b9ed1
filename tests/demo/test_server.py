"""The simulated Ollama against recorded answers of a real one."""

import asyncio
import contextlib
import io
import json

import aiohttp
import pytest

from ollamon.demo import models
from tests.demo import recorded
from tests.demo.conftest import RUN_ID

HI = [{"role": "user", "content": "hi"}]
LLAMA = "llama3.2:3b"
EMPTY_CHAT = {
    **{"model": LLAMA, "created_at": "", "message": {"role": "assistant", "content": ""}},
    **{"done": True, "done_reason": "load"},
}
NDJSON, JSON = "application/x-ndjson", "application/json; charset=utf-8"


async def post(client: aiohttp.ClientSession, path: str, **body) -> tuple:
    async with client.post(path, json={"model": LLAMA} | body) as answer:
        return answer.status, answer.headers, await answer.read()


async def get(client: aiohttp.ClientSession, path: str, **headers: str) -> tuple:
    async with client.get(path, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


@pytest.mark.parametrize(
    ("path", "body", "sample"),
    [
        ("/api/chat", {"messages": HI}, "native/chat-stream.http"),
        ("/api/generate", {"prompt": "hi"}, "native/generate-stream.http"),
    ],
)
async def test_a_native_stream_has_the_recorded_shape(client, path, body, sample):
    status, headers, text = await post(client, path, **body)
    *pieces, last = recorded.lines(text)
    *real, real_last = recorded.lines(recorded.body_of(sample))
    assert (status, headers["Content-Type"]) == (200, NDJSON)
    assert {str(recorded.shape(piece)) for piece in pieces} == {str(recorded.shape(real[0]))}
    assert recorded.shape(last) == recorded.shape(real_last)
    assert last["eval_count"] == len(pieces) + 1


@pytest.mark.parametrize(
    ("path", "body", "sample"),
    [
        ("/api/chat", {"messages": HI}, "native/chat-nonstream.http"),
        ("/api/generate", {"prompt": "hi"}, "native/generate-nonstream.http"),
        ("/api/generate", {}, "native/generate-load-only.http"),
        ("/api/generate", {"keep_alive": 0}, "native/generate-unload.http"),
        ("/api/chat", {"messages": []}, ""),
    ],
)
async def test_a_whole_native_answer_has_the_recorded_shape(client, path, body, sample):
    status, headers, text = await post(client, path, stream=False, **body)
    assert (status, headers["Content-Type"]) == (200, JSON)
    found = json.loads(text)
    # No sample has an empty chat; ollama:server/routes.go answers it so.
    real = recorded.document(sample) if sample else EMPTY_CHAT
    assert recorded.shape(found) == recorded.shape(real)
    assert found.get("done_reason") in ("stop", real["done_reason"])


async def test_the_context_has_a_number_for_each_token(client):
    _, _, text = await post(client, "/api/generate", prompt="hi", options={"num_predict": 4})
    last = recorded.lines(text)[-1]
    assert len(last["context"]) == last["prompt_eval_count"] + last["eval_count"]


async def test_a_model_that_thinks_does_so_before_it_answers(client):
    _, _, text = await post(client, "/api/chat", model="qwen3:8b", messages=HI)
    messages = [line["message"] for line in recorded.lines(text)]
    kinds = ["thinking" in message for message in messages]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {True, False}
    assert all(message["content"] == "" for message in messages if "thinking" in message)


async def test_thoughts_and_answer_are_apart_in_whole_answers(client):
    body = {"model": "qwen3:8b", "messages": HI, "stream": False}
    message = json.loads((await post(client, "/api/chat", **body))[2])["message"]
    assert list(message) == ["role", "content", "thinking"]
    body = {"model": "qwen3:8b", "prompt": "hi", "stream": False}
    answer = json.loads((await post(client, "/api/generate", **body))[2])
    assert list(answer)[:5] == ["model", "created_at", "response", "thinking", "done"]
    body = {"model": "qwen3:8b", "messages": HI}
    choice = json.loads((await post(client, "/v1/chat/completions", **body))[2])["choices"][0]
    assert list(choice["message"]) == ["role", "content", "reasoning"]


async def test_an_embedding_has_the_recorded_shape(client):
    body = {"model": "nomic-embed-text", "input": ["a", "b c"]}
    status, _, text = await post(client, "/api/embed", **body)
    found = json.loads(text)
    assert status == 200
    assert recorded.shape(found) == recorded.shape(recorded.document("native/embed.http"))
    assert [len(vector) for vector in found["embeddings"]] == [768, 768]


@pytest.mark.parametrize(
    ("options", "sample"),
    [
        ({}, "openai/chat-stream-no-usage.http"),
        ({"stream_options": {"include_usage": True}}, "openai/chat-stream-usage.http"),
    ],
)
async def test_an_openai_stream_has_the_recorded_shape(client, options, sample):
    body = {"messages": HI, "stream": True, "max_tokens": 3}
    status, headers, text = await post(client, "/v1/chat/completions", **body, **options)
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    found, real = recorded.events(text), recorded.events(recorded.body_of(sample))
    assert recorded.shape({"events": found[:1]}) == recorded.shape({"events": real[:1]})
    assert [recorded.shape(event) for event in found] == [recorded.shape(event) for event in real]
    assert found[-1] == "[DONE]"


async def test_a_whole_openai_answer_has_the_recorded_shape(client):
    body = {"messages": HI, "max_tokens": 5}
    status, headers, text = await post(client, "/v1/chat/completions", **body)
    real = recorded.document("openai/chat-nonstream.http")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert recorded.shape(json.loads(text)) == recorded.shape(real)
    assert json.loads(text)["usage"]["completion_tokens"] == 5


async def test_models_are_listed_as_recorded(client):
    for path, sample in (
        ("/api/tags", "native/tags.http"),
        ("/v1/models", "openai/models.http"),
        (f"/v1/models/{LLAMA}", "openai/model.http"),
    ):
        status, _, text = await get(client, path)
        assert status == 200
        assert recorded.shape(json.loads(text)) == recorded.shape(recorded.document(sample))
    assert len(json.loads((await get(client, "/api/tags"))[2])["models"]) == len(models.SHELF)


async def test_a_model_is_shown_as_recorded(client):
    _, _, text = await post(client, "/api/show")
    found, real = json.loads(text), recorded.document("native/show.http")
    # Which facts a model has depends on its family.
    assert found.pop("model_info")["general.architecture"] == "llama"
    real.pop("model_info")
    assert recorded.shape(found)[:3] == recorded.shape(real)[:3]
    assert [key for key, _ in recorded.shape(found)] == [key for key, _ in recorded.shape(real)]
    assert recorded.shape(found["details"]) == recorded.shape(real["details"])


async def test_loaded_models_are_told_as_recorded(client):
    empty = json.loads((await get(client, "/api/ps"))[2])
    assert empty == recorded.document("native/ps-nothing-loaded.http")
    await post(client, "/api/generate", model="gemma3:12b", keep_alive=-1)
    found = json.loads((await get(client, "/api/ps"))[2])
    assert recorded.shape(found) == recorded.shape(recorded.document("native/ps-one-model.http"))
    [model] = found["models"]
    assert 0 < model["size_vram"] < model["size"]
    assert model["expires_at"].startswith("2319-")


@pytest.mark.parametrize("path", ["/", "/api/version", "/api/tags"])
async def test_head_is_answered_where_ollama_answers_it(client, path):
    async with client.head(path) as answer:
        assert answer.status == 200


async def test_the_version_says_that_it_is_a_demo(client):
    assert "demo" in json.loads((await get(client, "/api/version"))[2])["version"]
    assert (await get(client, "/"))[2] == recorded.body_of("native/root.http")


async def test_other_routes_and_methods_are_refused_as_recorded(client):
    status, headers, text = await get(client, "/api/xyz")
    assert (status, text) == (404, recorded.body_of("native/unknown-route-404.http"))
    status, headers, text = await get(client, "/api/chat")
    assert (status, text) == (405, recorded.body_of("native/chat-wrong-method-405.http"))
    assert headers["Allow"] == "POST"
    async with client.head("/api/ps") as answer:
        assert answer.status == 405


async def test_an_error_has_the_shape_of_its_dialect(client):
    status, headers, text = await post(client, "/api/chat", model="nope", messages=HI)
    assert (status, headers["Content-Type"]) == (404, JSON)
    assert text == recorded.body_of("native/chat-model-missing-404.http")
    body = {"model": "nope", "messages": HI}
    status, headers, text = await post(client, "/v1/chat/completions", **body)
    assert (status, headers["Content-Type"]) == (404, "application/json")
    assert text == recorded.body_of("openai/chat-model-missing-404.http")
    status, _, text = await get(client, "/v1/models/nope")
    assert (status, text) == (404, recorded.body_of("openai/model-missing-404.http"))


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example.com"}, {"Origin": "http://evil.example.com"}]
)
async def test_foreign_pages_get_an_empty_403(client, headers):
    status, _, text = await get(client, "/api/version", **headers)
    assert (status, text) == (403, b"")


async def test_pages_of_this_machine_may_ask(client):
    assert (await get(client, "/", Host="localhost", Origin="http://localhost:3000"))[0] == 200


async def test_answers_name_their_run_and_no_server(client):
    for answer in (await get(client, "/"), await post(client, "/api/chat", messages=HI)):
        assert answer[1]["X-Ollamon-Run"] == RUN_ID
        assert "Server" not in answer[1]


async def test_a_prompt_of_megabytes_is_taken(client):
    body = io.BytesIO(json.dumps({"model": LLAMA, "prompt": "x" * 3_000_000}).encode())
    async with client.post("/api/generate", data=body) as answer:
        last = recorded.lines(await answer.read())[-1]
    assert last["prompt_eval_count"] == 4096


async def leave_after(session: aiohttp.ClientSession, lines: int) -> None:
    """Ask, read some lines, and close the connection; with no line, while the model loads."""
    request = session.post("/api/chat", json={"model": LLAMA, "messages": HI})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3 if lines == 0 else 30), request as answer:
            for _ in range(lines):
                await answer.content.readline()


@pytest.mark.parametrize("lines", [0, 1])
async def test_a_client_who_leaves_frees_the_slot_at_once(lines, serve, slow_engine):
    base = await serve(slow_engine)
    body = {"messages": HI, "stream": False, "options": {"num_predict": 1}}
    async with aiohttp.ClientSession(base, trust_env=False) as session:
        await leave_after(session, lines)
        # This needs the model's only slot, and is answered when it has it.
        counts = json.loads((await post(session, "/api/chat", **body))[2])
    assert slow_engine.served == 1
    # A load that nobody waits for any more is given up.
    is_cold = counts["load_duration"] > 0.5e9
    assert is_cold == (lines == 0)
