"""The relay changes no byte: both loops, real sockets, a scripted upstream."""

import asyncio
import gzip
import hashlib
import os
import random
import socket
from pathlib import Path

import pytest

from ollamon.access import ProxyAccess
from ollamon.proxy.agents import ClientKind
from ollamon.proxy.client import MAX_LINGER
from ollamon.proxy.connection import HIGH_WATER
from ollamon.proxy.routes import Dialect
from ollamon.proxy.tap import Ending, Rejection
from ollamon.proxy.timers import NEVER
from tests.fakes.client import bench, quick, request
from tests.fakes.meter import RecordingMeter
from tests.fakes.upstream import answer, eventually, replay, sequence, silence, soon

SAMPLES = Path(__file__).parent.parent / "samples" / "ollama"
FULL = bool(os.environ.get("OLLAMON_FULL"))
CHAT = request("POST", "/api/chat", b'{"model":"tiny"}')


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def sample_request(path: Path) -> bytes:
    """A request whose answer the sample may be."""
    name = path.stem
    if "head" in name and "header" not in name:
        return request("HEAD", "/api/tags")
    target = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
    return request("POST", target.get(path.parent.name, "/api/chat"), b'{"model":"tiny"}')


WHOLE = sorted(path for path in SAMPLES.rglob("*.http"))


@pytest.mark.parametrize("piece", [0, 7, 1] if FULL else [0, 113])
@pytest.mark.parametrize("path", WHOLE, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_recorded_answer_arrives_as_it_was_sent(path, piece):
    data = path.read_bytes()
    is_framed = b"\r\nContent-Length: " in data or b"\r\nTransfer-Encoding: " in data
    ends = "" if is_framed or sample_request(path).startswith(b"HEAD") else "close"
    async with bench(replay(data, piece=piece, then=ends)) as stage:
        got = await stage.ask(sample_request(path))
        assert got.is_whole
        body = data.partition(b"\r\n\r\n")[2]
        if data.startswith(b"HTTP/1.1 100"):
            assert got.interim == (100,)
            body = body.partition(b"\r\n\r\n")[2]
        assert len(got.raw) <= len(data) + len(b"\r\nConnection: close")
        if body:
            assert digest(got.raw[-len(body) :]) == digest(body)
        tap = stage.meter.taps[0]
        assert (tap.ending, tap.status) == (Ending.COMPLETE, got.status)
        assert tap.answer == got.body


def chunked(body: bytes, sizes: int, *fields: bytes) -> bytes:
    head = [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *fields, b"\r\n"]
    parts = (body[start : start + sizes] for start in range(0, len(body), sizes))
    framed = b"".join(b"%X\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"\r\n".join(head) + framed + b"0\r\n\r\n"


BODY = noise(300_000)
PACKED = gzip.compress(BODY[:100_000] * 2)
FORMS = {
    "length": (answer(BODY, b"200 OK", b"X: y"), "", BODY),
    "chunks": (chunked(BODY, 1234), "", BODY),
    "one chunk": (chunked(BODY, 10**6), "", BODY),
    "tiny chunks": (chunked(BODY[:3000], 1), "", BODY[:3000]),
    "until close": (b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n" + BODY, "close", BODY),
    "gzip": (chunked(PACKED, 1000, b"Content-Encoding: gzip"), "", PACKED),
    "empty": (answer(b""), "", b""),
}


@pytest.mark.parametrize("piece", [0, 999])
@pytest.mark.parametrize(("data", "then", "body"), FORMS.values(), ids=FORMS)
async def test_every_framing_of_an_answer_passes_byte_for_byte(data, then, body, piece):
    async with bench(replay(data, piece=piece, then=then)) as stage:
        got = await stage.ask(CHAT)
        assert got.is_whole
        assert digest(got.body) == digest(body)
        # The head may only say that the connection ends.
        assert got.raw.replace(b"\r\nConnection: close", b"", 1) == data
        assert stage.meter.taps[0].answer == body


@pytest.mark.parametrize("piece", [0, 777])
async def test_an_upload_passes_byte_for_byte(piece):
    async with bench(replay(answer())) as stage:
        got = await stage.ask(request("POST", "/api/blobs/sha256:x", BODY), piece)
        assert got.status == 200
        assert digest(bytes(stage.upstream.requests[0].body)) == digest(BODY)
        assert digest(bytes(stage.meter.taps[0].request)) == digest(BODY)


async def test_a_chunked_upload_is_written_anew_without_extensions_and_trailers():
    data = (
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;a=b\r\nhello\r\n006\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    for piece in (0, 1):
        async with bench(replay(answer())) as stage:
            assert (await stage.ask(data, piece)).status == 200
            received = bytes(stage.upstream.connections[0].received)
            assert bytes(stage.upstream.requests[0].body) == b"hello world"
            assert b"X-Trailer" not in received
            assert b"a=b" not in received
            assert received.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "x-Y"])
@pytest.mark.parametrize("target", ["/", "/api/unknown?a=b?", "/%2e%2e/x", "/api/tags?", "//a//"])
@pytest.mark.parametrize("body", [b"", b'{"model":"x"}'])
async def test_every_method_target_and_body_passes(method, target, body):
    async with bench(replay(answer())) as stage:
        got = await stage.ask(request(method, target, body))
        assert got.status == 200
        line = f"{method} {target} HTTP/1.1\r\n".encode()
        assert bytes(stage.upstream.connections[0].received).startswith(line)
        assert bytes(stage.upstream.requests[0].body) == body
        assert stage.meter.taps[0].method == method


async def test_fields_keep_bytes_case_and_order():
    fields = ("x-B: 2", "X-A: caf\xe9 \xff", "x-b: again", "ACCEPT-encoding:gzip", "Empty:")
    async with bench(replay(answer(b"{}", b"200 F\xefne", b"X-z: \xfe", b"x-Z:two"))) as stage:
        got = await stage.ask(request("GET", "/api/tags", b"", *fields))
        expected = "\r\n".join([f"Host: 127.0.0.1:{stage.upstream.port}", *fields, "\r\n"])
        received = bytes(stage.upstream.connections[0].received)
        assert received.partition(b"\r\n")[2] == expected.encode("latin-1")
        assert got.raw.startswith(b"HTTP/1.1 200 F\xefne\r\n")
        assert b"\r\nX-z: \xfe\r\nx-Z:two\r\n" in got.raw


async def test_head_keeps_its_length_and_has_no_body():
    data = sample("native/root-head.http")
    async with bench(replay(data)) as stage:
        client = await stage.client()
        for _ in range(3):
            got = await client.ask(request("HEAD", "/"))
            assert (got.raw, got.body) == (data, b"")
        assert len(stage.upstream.connections) == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_an_answer_without_body_ends_with_its_head(status):
    async with bench(replay(b"HTTP/1.1 " + status + b"\r\nX: y\r\n\r\n")) as stage:
        client = await stage.client()
        assert [(await client.ask(request())).status for _ in range(2)] == [int(status[:3])] * 2


async def test_an_http_1_0_client_gets_decoded_bytes_and_a_close():
    data = sample("native/chat-stream.http")
    async with bench(replay(data)) as stage:
        client = await stage.client()
        got = await client.ask(b"GET /api/tags HTTP/1.0\r\n\r\n")
        assert got.raw.startswith(b"HTTP/1.0 200 OK\r\n")
        assert got.values(b"transfer-encoding") == got.values(b"connection") == []
        assert got.body == stage.meter.taps[0].answer
        assert got.body.count(b"\n") == 38
        assert await client.is_closed()
        assert bytes(stage.upstream.connections[0].received).startswith(
            b"GET /api/tags HTTP/1.1\r\nHost: "
        )


async def test_a_continue_passes_through_and_starts_the_upload():
    asked = asyncio.Event()

    async def script(connection, found):
        asked.set()
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await found.whole_body() == b"blob"
        await connection.send(answer(b"", b"201 Created"))

    async with bench(script) as stage:
        client = await stage.client()
        await client.send(
            b"POST /api/blobs/x HTTP/1.1\r\nHost: localhost\r\n"
            b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        )
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        got = await client.ask(b"blob")
        assert got.status == 201
        assert stage.upstream.requests[0].values(b"expect") == [b"100-continue"]


async def test_a_refused_upload_is_answered_without_a_continue():
    data = sample("native/blob-exists-expect-100-refused-200.http")
    async with bench(replay(data, early=True, then="close")) as stage:
        client = await stage.client()
        got = await client.ask(
            b"POST /api/blobs/x HTTP/1.1\r\nHost: localhost\r\n"
            b"Expect: 100-continue\r\nContent-Length: 1800000\r\n\r\n"
        )
        assert (got.status, got.interim, got.is_whole) == (200, (), True)
        assert got.values(b"connection") == [b"close"]
        assert await client.is_closed()
        assert stage.meter.taps[0].ending is Ending.COMPLETE


async def test_early_hints_pass_to_new_clients_only():
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with bench(replay(hints + answer())) as stage:
        assert (await stage.ask(request())).interim == (103,)
        old = await stage.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert (old.interim, old.status) == ((), 200)


async def test_an_early_answer_is_relayed_while_the_upload_runs():
    async with bench(replay(answer(b"no", b"413 Too Large"), early=True)) as stage:
        client = await stage.client()
        await client.send(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nabc"
        )
        got = await client.answer()
        assert (got.status, got.body) == (413, b"no")
        assert got.values(b"connection") == [b"close"]
        # What still comes is read and dropped for a while.
        await client.send(b"x" * 100_000)
        await (await stage.upstream.connection()).closed()
        assert stage.meter.taps[0].ending is Ending.COMPLETE
        client.writer.write_eof()
        assert await client.is_closed()


async def test_not_everything_is_dropped_for_an_early_answer():
    async with bench(replay(answer(b"no", b"413 Too Large"), early=True)) as stage:
        client = await stage.client()
        await client.send(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n\r\nabc"
        )
        assert (await client.answer()).status == 413

        async def flood() -> None:
            while True:
                await client.send(bytes(MAX_LINGER))

        with pytest.raises(ConnectionError):
            await soon(flood())


async def test_connections_are_used_again_on_both_sides():
    async with bench(replay(sample("native/tags.http"))) as stage:
        client = await stage.client()
        for _ in range(5):
            assert (await client.ask(request())).status == 200
        other = await stage.client()
        assert (await other.ask(request())).status == 200
        assert len(stage.upstream.connections) == 1


@pytest.mark.parametrize(
    "data",
    [
        answer(b"{}", b"200 OK", b"Connection: close"),
        answer().replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["close", "HTTP/1.0"],
)
async def test_an_upstream_connection_that_ends_is_not_used_again(data):
    async with bench(replay(data)) as stage:
        client = await stage.client()
        for _ in range(2):
            assert (await client.ask(request())).status == 200
        assert len(stage.upstream.connections) == 2


async def test_a_client_that_says_close_is_closed():
    async with bench(replay(answer())) as stage:
        client = await stage.client()
        got = await client.ask(request("GET", "/", b"", "Connection: close"))
        assert got.values(b"connection") == [b"close"]
        assert await client.is_closed()
        # Its wish concerns our connection, not upstream's.
        assert stage.upstream.requests[0].values(b"connection") == []
        assert len(stage.relay.pool) == 1


@pytest.mark.parametrize("piece", [0, 1, 50])
async def test_pipelined_requests_are_answered_in_order_one_at_a_time(piece):
    scripts = [replay(answer(b"%d" % number)) for number in range(4)]
    async with bench(sequence(*scripts)) as stage:
        client = await stage.client()
        body = b"5\r\nhello\r\n0\r\n\r\n"
        chunked_post = (
            b"POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        )
        await client.send(request() + chunked_post + CHAT + request("GET", "/last"), piece)
        assert [(await client.answer()).body for _ in range(4)] == [b"0", b"1", b"2", b"3"]
        assert [bytes(found.body) for found in stage.upstream.requests] == [
            *(b"", b"hello", b'{"model":"tiny"}', b""),
        ]
        assert len(stage.upstream.connections) == 1
        assert stage.meter.endings == [Ending.COMPLETE] * 4


async def test_a_flood_of_pipelined_requests_stops_the_reading():
    gate = asyncio.Event()
    async with bench(replay(answer(), gates={0: gate})) as stage:
        client = await stage.client()
        client.writer.transport.set_write_buffer_limits(high=0)
        one = request("GET", "/api/tags", b"", "X: " + "y" * 1000)
        client.writer.write(one * 20_000)
        await stage.upstream.request()
        # More than the kernel holds cannot be sent until an answer came.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.writer.drain()
        gate.set()
        for _ in range(200):
            assert (await client.answer()).status == 200


MALFORMED = {
    "CL and TE": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "fold": b"GET / HTTP/1.1\r\nHost: localhost\r\n x\r\n\r\n",
    "noise": b"\x16\x03\x01\x02\x00\n\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("piece", [0, 1])
async def test_a_malformed_head_is_a_400_and_reaches_nobody(data, piece):
    async with bench(replay(answer())) as stage:
        client = await stage.client()
        client.writer.write(data)
        got = await client.answer()
        assert got.status == 400
        assert got.values(b"x-ollamon-error") == [b"malformed"]
        client.writer.write_eof()
        assert await client.is_closed()
        assert stage.meter.refusals == [Rejection.MALFORMED]
        assert (stage.meter.taps, stage.upstream.connections) == ([], [])


async def test_connect_is_a_405_and_a_large_head_a_431():
    async with bench(replay(answer())) as stage:
        assert (await stage.ask(b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n")).status == 405
        large = request("GET", "/", b"", "X: " + "y" * 70_000)
        assert (await stage.ask(large)).status == 431
        assert (await stage.ask(request("GET", "/" + "y" * 17_000))).status == 414
        assert stage.meter.refusals == [
            *(Rejection.METHOD, Rejection.HEAD_TOO_LARGE, Rejection.HEAD_TOO_LARGE),
        ]


@pytest.mark.parametrize(
    ("target", "dialect"),
    [
        ("/api/chat", Dialect.OLLAMA),
        ("/v1/models", Dialect.OPENAI),
        ("/v1/messages", Dialect.ANTHROPIC),
    ],
)
async def test_a_foreign_host_is_a_403_in_the_shape_of_its_route(target, dialect):
    keys = {
        Dialect.OLLAMA: b'{"error":"ollamon: Host',
        Dialect.OPENAI: b'{"error":{"message":"ollamon: Host',
        Dialect.ANTHROPIC: b'{"type":"error","error":{',
    }
    async with bench(replay(answer())) as stage:
        data = request("POST", target, b"{}").replace(b"localhost", b"evil.example.com")
        got = await stage.ask(data)
        assert got.status == 403
        assert got.body.startswith(keys[dialect])
        assert stage.upstream.connections == []
        assert stage.meter.refusals == [Rejection.HOST]
        assert (stage.meter.taps[0].ending, stage.meter.taps[0].status) == (Ending.REJECTED, 403)


@pytest.mark.parametrize("host", ["127.0.0.1:11435", "[::1]", "gpu.local", "10.1.2.3", "good.net"])
async def test_a_known_host_may_come_in_and_upstream_gets_its_own_name(host):
    access = ProxyAccess(allowed_hosts=frozenset({"good.net"}))
    async with bench(replay(answer()), access=access) as stage:
        data = request().replace(b"localhost", host.encode())
        assert (await stage.ask(data)).status == 200
        own = f"127.0.0.1:{stage.upstream.port}".encode()
        assert stage.upstream.requests[0].values(b"host") == [own]


async def test_a_preserved_host_reaches_upstream():
    access = ProxyAccess(allowed_hosts=frozenset({"*"}))
    async with bench(replay(answer()), access=access, preserve_host=True) as stage:
        data = request().replace(b"localhost", b"Any.Name:1")
        assert (await stage.ask(data)).status == 200
        assert stage.upstream.requests[0].values(b"host") == [b"Any.Name:1"]


CALLS = [
    *("began", "request_read", "request_complete", "answer_began", "answer_read", "ended"),
    "relayed",
]


@pytest.mark.parametrize("failing", CALLS)
async def test_a_tap_that_raises_changes_no_byte(failing):
    data = sample("native/chat-stream.http")
    meter = RecordingMeter(frozenset({failing, "failed", "refused"}))
    async with bench(replay(data, piece=100), meter=meter) as stage:
        client = await stage.client()
        for _ in range(2):
            assert (await client.ask(CHAT)).raw == data
        assert len(meter.errors) == 2
        if failing != "began":
            assert meter.endings == [Ending.COMPLETE] * 2
        foreign = await stage.ask(request().replace(b"localhost", b"evil.net"))
        assert foreign.status == 403


async def test_what_the_relay_itself_takes_is_told_once_for_each_answer():
    held = asyncio.Event()
    async with bench(replay(answer(), gates={0: held})) as stage:
        loop = asyncio.get_running_loop()
        client = await stage.client()
        for data in (request(), CHAT):
            held.clear()
            began = loop.time()
            await client.send(data)
            await stage.upstream.request(len(stage.meter.overheads))
            # Upstream's time is none of ours.
            loop.call_later(0.3, held.set)
            await client.answer()
            assert 0 <= stage.meter.overheads[-1] <= loop.time() - began - 0.29
        head, _, body = CHAT.partition(b"\r\n\r\n")
        await client.send(head + b"\r\n\r\n")
        await eventually(lambda: len(stage.meter.taps) == 3)
        await client.send(body)
        await client.answer()
        assert len(stage.meter.overheads) == 3
        refused = request().replace(b"localhost", b"evil.net")
        assert (await stage.ask(refused)).status == 403
        assert len(stage.meter.overheads) == 3


async def test_the_tap_learns_when_and_what():
    async with bench(replay(sample("openai/chat-stream-usage.http"))) as stage:
        await stage.ask(request("POST", "/v1/chat/completions?x=y", b'{"stream":true}'))
        tap = stage.meter.taps[0]
        assert tap.route.endpoint == "/v1/chat/completions"
        assert tap.head is not None
        assert (tap.head.status, tap.head.content_type) == (200, "text/event-stream")
        assert bytes(tap.request) == b'{"stream":true}'
        assert tap.answer.endswith(b"data: [DONE]\n\n")
        assert tap.calls.count("ended") == tap.calls.count("request_complete") == 1


async def test_each_line_is_passed_on_when_it_comes():
    head, _, body = sample("native/chat-stream.http").partition(b"\r\n\r\n")
    end = b"0\r\n\r\n"
    lines = body.removesuffix(end).split(b"\n\r\n")[:-1]
    go_on = asyncio.Event()

    async def script(connection, found):
        await connection.send(head + b"\r\n\r\n")
        for line in lines:
            await connection.send(line + b"\n\r\n")
            await go_on.wait()
            go_on.clear()
        await connection.send(end)

    async with bench(script) as stage:
        client = await stage.client()
        await client.send(CHAT)
        await client.read_until(b"\r\n\r\n")
        for line in lines:
            assert await client.read_until(b"\n\r\n") == line + b"\n\r\n"
            go_on.set()
        assert await client.read_until(end) == end


async def test_a_slow_reader_holds_upstream_up():
    """Back-pressure: what lies in the process is bounded, the rest waits upstream."""
    sent = 0

    async def script(connection, found):
        nonlocal sent
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
        for _ in range(400):
            await connection.send(bytes(100_000))
            sent += 100_000

    async with bench(script) as stage:
        client = await stage.client(buffer=8192)
        client.writer.transport.pause_reading()
        await client.send(CHAT)
        relayed = 0

        def is_stuck() -> bool:
            nonlocal relayed
            before, relayed = relayed, sent
            return before == sent > 0

        for _ in range(20):
            await eventually(is_stuck)
            await asyncio.sleep(0.02)
        tap = stage.meter.taps[0]
        # Kernel buffers on both connections, 64 KiB and one read of ours.
        taken = len(tap.answer)
        own = list(stage.relay._clients)
        waiting = sum(client._transport.get_write_buffer_size() for client in own)
        assert waiting <= HIGH_WATER + 256 * 1024
        assert taken < 20_000_000
        client.writer.transport.resume_reading()
        got = await client.answer()
        assert (len(got.body), got.is_whole) == (40_000_000, True)


async def test_an_upstream_that_does_not_read_holds_the_upload_up():
    gate = asyncio.Event()

    async def script(connection, found):
        connection.pause_reading()
        await gate.wait()
        connection.resume_reading()
        await found.whole_body()
        await connection.send(answer())

    async with bench(script, timeouts=quick(body=0.1)) as stage:
        client = await stage.client()
        size = 60_000_000
        head = f"POST /api/blobs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        await client.send(head.encode())
        await stage.upstream.request()
        client.writer.transport.set_write_buffer_limits(high=0)
        client.writer.write(bytes(size))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.writer.drain()
        assert len(stage.meter.taps[0].request) < 20_000_000
        assert [each._deadline for each in stage.relay._clients] == [NEVER]
        gate.set()
        assert (await client.answer()).status == 200
        assert len(stage.upstream.requests[0].body) == size


async def test_two_hundred_streams_at_once_do_not_mix():
    async def script(connection, found):
        text = await found.whole_body()
        lines = b"".join(b"%b %d\n" % (text, number) for number in range(20))
        await connection.send(answer(lines, is_chunked=True), piece=97)

    async with bench(script) as stage:
        asks = (stage.ask(request("POST", "/api/chat", b"id%d" % n)) for n in range(200))
        for number, got in enumerate(await asyncio.gather(*asks)):
            assert got.body.splitlines() == [b"id%d %d" % (number, n) for n in range(20)]
        await stage.until_quiet()
        assert len(stage.meter.taps) == 200


async def test_an_idle_upstream_connection_that_speaks_is_closed():
    async with bench(replay(answer())) as stage:
        client = await stage.client()
        await client.ask(request())
        assert len(stage.relay.pool) == 1
        await stage.upstream.connections[0].send(answer(b"stray"))
        await stage.upstream.connections[0].closed()
        assert len(stage.relay.pool) == 0
        assert (await client.ask(request())).body == b"{}"


async def test_an_idle_upstream_connection_grows_old():
    async with bench(replay(answer()), timeouts=quick(pooled=0.05)) as stage:
        await stage.ask(request())
        await stage.upstream.connections[0].closed()
        assert len(stage.relay.pool) == 0


async def test_answers_that_never_come_are_waited_for():
    async with bench(silence, timeouts=quick(body=0.05, keep_alive=0.05, head=0.05)) as stage:
        client = await stage.client()
        await client.send(CHAT)
        await stage.upstream.request()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await client.reader.read(1)
        assert stage.meter.active == 1


async def test_the_relay_listens_on_the_socket_that_it_was_given():
    async with bench(replay(answer())) as stage:
        with socket.create_connection(("127.0.0.1", stage.port)):
            await eventually(lambda: stage.relay.connections == 1)
        await eventually(lambda: stage.relay.connections == 0)


async def test_the_meter_is_told_of_client_and_trace_and_both_fields_pass_unchanged():
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    fields = ("User-Agent: curl/8.5.0", f"TraceParent: 00-{trace}-00f067aa0ba902b7-01")
    async with bench(replay(answer())) as stage:
        await stage.ask(request("POST", "/api/chat", b"{}", *fields))
        await stage.ask(request("POST", "/api/chat", b"{}"))
        assert stage.meter.clients == [ClientKind.CURL, ClientKind.UNKNOWN]
        assert stage.meter.traces == [trace, ""]
        received = stage.upstream.connections[0].received
        assert all(f"\r\n{field}\r\n".encode() in received for field in fields)
