"""The npm client of Ollama, through the real proxy: as direct, and counted."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes.upstream import Connection, Request, Upstream, replay

JS = Path(__file__).parent / "js"
SAMPLES = Path(__file__).parents[1] / "samples/ollama/native"
POLLS = {"/api/ps": "ps-one-model", "/api/version": "version"}
CASES = {
    # what the script asks: the recorded answer, the endpoint, its status, tokens that are counted.
    "list": ("tags", "/api/tags", 200, 0),
    "chat": ("chat-nonstream", "/api/chat", 200, 5),
    "stream": ("chat-stream", "/api/chat", 200, 38),
    "tools": ("chat-stream", "/api/chat", 200, 38),
    "embed": ("embed", "/api/embed", 200, 0),
    "missing": ("chat-model-missing-404", "/api/chat", 404, 0),
}


@pytest.fixture(scope="session")
def npm_client() -> Path:
    """The script; its one package is installed on first use, as the lock says."""
    if not (JS / "node_modules/ollama").is_dir():
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=JS, check=True, stdout=subprocess.DEVNULL, timeout=110)
    return JS / "ask.js"


async def asked(script: Path, url: str, what: str) -> dict:
    child = await asyncio.create_subprocess_exec(
        *("node", str(script), url, what), stdout=subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(child.communicate(), 60)
    return json.loads(out)


def recorded(name: str, path: str):
    """Answer one path with a recorded answer, and the poller with its own."""
    names = {**POLLS, "/api/tags": "tags", path: name}

    async def script(connection: Connection, request: Request) -> None:
        data = (SAMPLES / f"{names[request.target.decode()]}.http").read_bytes()
        await replay(data)(connection, request)

    return script


@pytest.mark.parametrize(("name", "path", "status", "tokens"), CASES.values(), ids=CASES)
async def test_it_gets_the_same_as_direct_and_is_counted(
    name, path, status, tokens, npm_client, proxy_for, request
):
    what = request.node.callspec.id
    async with Upstream(recorded(name, path)) as upstream:
        proxy = await asyncio.to_thread(proxy_for, upstream.url)
        got, direct = [await asked(npm_client, url, what) for url in (proxy.url, upstream.url)]
        assert got == direct
        assert ("answer" in got) == (status == 200)
        await asyncio.to_thread(proxy.await_ended, 1, endpoint=path, status=str(status))
        assert await asyncio.to_thread(proxy.total, "generated_tokens_total") == tokens
        sent = [bytes(each.body) for each in upstream.requests if each.method == b"POST"]
        assert len(set(sent)) <= 1


async def test_a_stream_that_it_aborts_is_an_abort(npm_client, proxy_for):
    data = (SAMPLES / "generate-stream.http").read_bytes()
    # The first object alone: the rest never comes.
    first = data.index(b'"done":false}') + len(b'"done":false}\n\r\n')
    held = {first: asyncio.Event()}
    polls = recorded("version", "/api/version")

    async def script(connection: Connection, request: Request) -> None:
        if request.target == b"/api/generate":
            await replay(data, gates=held)(connection, request)
        else:
            await polls(connection, request)

    async with Upstream(script) as upstream:
        proxy = await asyncio.to_thread(proxy_for, upstream.url)
        got = await asked(npm_client, proxy.url, "abort")
        assert got["answer"]["done"] is False
        await asyncio.to_thread(proxy.await_ended, 1, endpoint="/api/generate", status="200")
        aborts = await asyncio.to_thread(
            proxy.total, "request_outcomes_total", outcome="client_abort"
        )
        assert aborts == 1
