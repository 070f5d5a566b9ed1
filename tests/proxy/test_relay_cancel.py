"""A cancelled request ends in every phase: upstream sees it, and the client is not lied to."""

import asyncio

import pytest

from ollamon.proxy.tap import Ending
from tests.fakes.client import bench, request
from tests.fakes.meter import RecordingMeter
from tests.fakes.upstream import answer, eventually, replay, silence

CHAT = request("POST", "/api/chat", b'{"model":"tiny"}')
STREAM = answer(b'{"a":1}\n{"a":2}\n{"a":3}\n', is_chunked=True)
LETTERS = bytes(range(65, 115))
SIZED = answer(LETTERS)
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n" + LETTERS
SHAPES = {
    "/api/chat": b'{"error":"ollamon: this request was cancelled',
    "/v1/chat/completions": b'{"error":{"message":"ollamon: this request was cancelled',
    "/v1/messages": b'{"type":"error","error":{"type":"invalid_request_error","message":"ollamon: ',
}


@pytest.mark.parametrize(("target", "shape"), SHAPES.items())
async def test_a_request_that_waits_is_a_499_in_the_shape_of_its_route(target, shape):
    async with bench(silence) as stage:
        client = await stage.client()
        asking = asyncio.ensure_future(client.ask(request("POST", target, b"{}")))  # noqa: TID251
        await (await stage.upstream.request()).whole_body()
        assert stage.relay.cancel(1)
        got = await asking
        assert (got.status, got.is_whole) == (499, True)
        assert got.raw.startswith(b"HTTP/1.1 499 Client Closed Request\r\n")
        assert got.values(b"x-ollamon-error") == [b"cancelled"]
        assert got.body.startswith(shape)
        await stage.upstream.connections[0].closed()
        assert (stage.meter.endings, stage.meter.taps[0].status) == ([Ending.CANCELLED], 499)


@pytest.mark.parametrize(
    ("data", "seen", "is_reset"),
    [
        (STREAM, b'{"a":2}\n\r\n', False),
        (SIZED, LETTERS[30:40], False),
        (UNTIL_CLOSE, LETTERS[30:40], True),
    ],
    ids=["chunks", "length", "until close"],
)
async def test_an_answer_that_began_is_cut_and_does_not_look_whole(data, seen, is_reset):
    stop = data.index(seen) + len(seen)
    async with bench(replay(data, gates={stop: asyncio.Event()})) as stage:
        client = await stage.client()
        await client.send(CHAT)
        await client.read_until(seen)
        assert stage.relay.cancel(1)
        assert await client.rest() == (b"", is_reset)
        await stage.upstream.connections[0].closed()
        assert (stage.meter.endings, stage.meter.taps[0].status) == ([Ending.CANCELLED], 200)


async def test_an_upload_is_cut_short():
    async with bench(silence) as stage:
        client = await stage.client()
        await client.send(CHAT.replace(b"Length: 16", b"Length: 99999"))
        received = await stage.upstream.request()
        await eventually(lambda: bytes(received.body) == b'{"model":"tiny"}')
        assert stage.relay.cancel(1)
        assert b"HTTP/1.1 499 " in (await client.rest())[0]
        await stage.upstream.connections[0].closed()
        assert stage.meter.endings == [Ending.CANCELLED]


async def test_the_connection_and_the_others_go_on():
    async with bench(silence) as stage:
        first, second = await stage.client(), await stage.client()
        asking = asyncio.ensure_future(first.ask(CHAT))  # noqa: TID251
        await stage.upstream.request()
        await second.send(CHAT)
        await eventually(lambda: len(stage.meter.taps) == 2)
        assert stage.relay.cancel(1)
        assert (await asking).status == 499
        assert stage.meter.endings == [Ending.CANCELLED, None]
        await first.send(CHAT)
        await eventually(lambda: len(stage.meter.taps) == 3)
        assert stage.relay.cancel(3)
        assert stage.relay.cancel(2)


async def test_what_does_not_run_cannot_be_cancelled():
    async with bench(replay(SIZED)) as stage:
        assert not stage.relay.cancel(1)
        assert (await stage.ask(CHAT)).status == 200
        assert not stage.relay.cancel(1)
        assert stage.meter.endings == [Ending.COMPLETE]


async def test_a_request_that_nobody_observes_cannot_be_named():
    async with bench(silence, meter=RecordingMeter(frozenset({"began"}))) as stage:
        client = await stage.client()
        await client.send(CHAT)
        await stage.upstream.request()
        assert not stage.relay.cancel(1)
