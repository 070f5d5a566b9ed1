"""An answer that upstream cut never looks complete, wherever it was cut.

Every offset of three reference answers; OLLAMON_FULL=1 takes recorded ones, which are longer.
"""

import os
from pathlib import Path

import pytest

from tests.fakes.client import RawClient, bench, request
from tests.fakes.upstream import answer, replay

FULL = bool(os.environ.get("OLLAMON_FULL"))
SAMPLES = Path(__file__).parent.parent / "samples" / "ollama" / "native"
CHAT = request("POST", "/api/chat", b'{"model":"tiny"}')
LINES = b"".join(
    b'{"model":"tiny","message":{"content":"w%d"},"done":%b}\n'
    % (n, b"true" if n == 4 else b"false")
    for n in range(5)
)
TYPE = b"Content-Type: application/x-ndjson"
REPLIES = {
    "length": answer(LINES, b"200 OK", TYPE),
    "chunked": answer(LINES, b"200 OK", TYPE, is_chunked=True),
    "until close": b"HTTP/1.1 200 OK\r\n" + TYPE + b"\r\n\r\n" + LINES,
}
if FULL:
    stream = (SAMPLES / "chat-stream.http").read_bytes()
    REPLIES |= {
        "chunked": stream,
        "until close": stream.replace(b"Transfer-Encoding: chunked\r\n", b""),
    }


def looks_complete(data: bytes, was_reset: bool) -> bool:
    """Judge an answer as a client would that reads its framing, and nothing else."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    if b"\r\nTransfer-Encoding: chunked" in head:
        while body:
            size, _, body = body.partition(b"\r\n")
            if not size or int(size, 16) == 0:
                return bool(size) and body == b"\r\n"
            body = body[int(size, 16) + 2 :]
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if name == b"Content-Length":
            return len(body) >= int(value)
    return not was_reset


async def cut_at(stage, data: bytes, offset: int, then: str) -> None:
    stage.upstream.script = replay(data, stop_at=offset, then=then)
    client: RawClient = await stage.client()
    await client.send(CHAT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    got, was_reset = await client.rest()
    client.leave()
    stage.clients.remove(client)
    if offset < data.index(b"\r\n\r\n") + 4:
        assert got.startswith(b"HTTP/1.1 502 "), offset
        assert looks_complete(got, was_reset)
        return
    assert not looks_complete(got, was_reset), (offset, got[-100:])
    body = data[data.index(b"\r\n\r\n") + 4 : offset]
    assert body.startswith(got.partition(b"\r\n\r\n")[2]), offset


@pytest.mark.timeout(900 if FULL else 120)
# A close is the end of an answer that lasts until the close.
@pytest.mark.parametrize(
    ("framing", "then"),
    [(framing, then) for framing in REPLIES for then in ("reset", "close")][:-1],
    ids=str,
)
async def test_no_offset_looks_complete(framing, then):
    data = REPLIES[framing]
    async with bench() as stage:
        for offset in range(len(data)):
            await cut_at(stage, data, offset, then)


@pytest.mark.parametrize("framing", REPLIES)
async def test_the_whole_answer_does_look_complete(framing):
    async with bench(replay(REPLIES[framing], then="close")) as stage:
        client = await stage.client()
        await client.send(CHAT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        assert looks_complete(*await client.rest())
