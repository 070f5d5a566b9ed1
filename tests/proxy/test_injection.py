"""The request that is changed, the event that is taken out, and nothing else; then both at once."""

import json
import random
from pathlib import Path

import pytest

from ollamon.proxy import http1, injection
from ollamon.proxy.injection import FilteredBody, Injection, UsageFilter, is_extra, with_usage
from ollamon.proxy.routes import route_of
from tests.fakes.client import bench, request
from tests.fakes.upstream import answer, replay

SAMPLES = Path(__file__).parents[1] / "samples/ollama/openai"
CHAT = "/v1/chat/completions"
ASKED = b'"stream_options":{"include_usage":true},'
TOKEN = b'data: {"model":"m","choices":[{"delta":{"content":"x"}}]}\n\n'
USAGE = b'data: {"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = b": ping\n\n" + TOKEN + TOKEN + USAGE + DONE
SSE = b"Content-Type: text/event-stream"


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (b'{"stream":true}', b"{" + ASKED + b'"stream":true}'),
        (b' \n{ "stream" : true, "x": 1}', b" \n{" + ASKED + b' "stream" : true, "x": 1}'),
        (b'{"m":"\xc3\xa9","stream":true}', b"{" + ASKED + b'"m":"\xc3\xa9","stream":true}'),
        (b'{"stream":false}', None),
        (b'{"stream":1}', None),
        (b'{"stream":"true"}', None),
        (b'{"model":"m"}', None),
        (b'{"stream":true,"stream_options":{}}', None),
        (b'{"stream":true,"stream_options":null}', None),
        (b'{"stream":true,"Stream_Options":{"include_usage":false}}', None),
        (b'{"stream":true,"STREAM":false}', None),
        (b'[{"stream":true}]', None),
        (b'"{"', None),
        (b'{"stream":true', None),
        (b'{"stream":true}}', None),
        (b'\xff{"stream":true}', None),
        ('{"stream":true}'.encode("utf-16"), None),
        (b'{"x":"\xff","stream":true}', None),
        (b"{" + b"[" * 200_000, None),
        (b"", None),
        (b"{}", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_only_a_stream_that_does_not_ask_is_changed(body, changed):
    assert with_usage(body) == changed
    if changed is not None:
        assert json.loads(changed) == json.loads(body) | {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("method", "target", "fields", "body", "applies"),
    [
        ("POST", CHAT, (), b"{}", True),
        ("POST", CHAT + "?a=b", (), b"{}", True),
        ("POST", CHAT, ("Content-Encoding: gzip",), b"{}", False),
        ("POST", CHAT, ("Expect: 100-continue",), b"{}", False),
        ("POST", CHAT, (), b"", False),
        ("POST", CHAT, (), b"x" * injection.MAX_REQUEST, True),
        ("POST", CHAT, (), b"x" * (injection.MAX_REQUEST + 1), False),
        ("PUT", CHAT, (), b"{}", False),
        *(
            ("POST", target, (), b"{}", False)
            for target in ("/api/chat", "/v1/completions", "/v1/responses", "/v1/messages", "/")
        ),
    ],
    ids=str,
)
def test_only_a_bounded_chat_is_looked_at(method, target, fields, body, applies):
    block = request(method, target, body, *fields).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    head = http1.parse_request(block)
    assert injection.may_apply(head, route_of(target)) is applies


def test_a_chunked_request_and_one_of_http_1_0_are_let_be():
    for block in (
        b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST %b HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
    ):
        head = http1.parse_request(block % CHAT.encode())
        assert not injection.may_apply(head, route_of(CHAT))


def test_the_length_follows_the_body_and_its_line_keeps_its_name():
    head = b"POST / HTTP/1.1\r\nX: content-length: 9\r\ncontent-LENGTH:  15\r\nY: z\r\n\r\n"
    for cut in range(15):
        held = Injection(head)
        body = b'{"stream":true}'
        assert held.take(body[:cut], is_last=False) == b""
        whole = held.take(body[cut:], is_last=True)
        grown = 15 + len(ASKED)
        assert whole == head.replace(b":  15", b": %d" % grown) + b"{" + ASKED + b'"stream":true}'


@pytest.mark.parametrize(
    ("event", "extra"),
    [
        (USAGE, True),
        (USAGE.replace(b"\n", b"\r\n"), True),
        (USAGE.replace(b'"choices":[]', b'"choices" : [ ]'), True),
        (TOKEN, False),
        (DONE, False),
        (b"event: x\n" + USAGE, False),
        (b'data: {"choices":[],"usage":null}\n\n', False),
        (b'data: {"choices":[],"prompt_filter_results":[]}\n\n', False),
        (b'data: {"choices":[{"delta":{"content":"\\"choices\\":[]"}}],"usage":{}}\n\n', False),
        (b'data: {"x":{"choices":[]},"choices":[1],"usage":{}}\n\n', False),
        (b'data: {"choices":[],"usage":{}\n\n', False),
        (b"data: " + b"[" * 100_000 + b'"choices":[]"usage"\n\n', False),
    ],
    ids=lambda value: repr(value)[-90:],
)
def test_only_the_event_that_tells_usage_alone_is_extra(event, extra):
    assert is_extra(event) is extra


def filtered(*pieces: bytes) -> bytes:
    sieve = UsageFilter()
    return b"".join(map(sieve.feed, pieces)) + sieve.end()


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_wherever_a_stream_is_cut_the_extra_event_alone_is_missing(newline):
    stream, wanted = (each.replace(b"\n", newline) for each in (STREAM, STREAM.replace(USAGE, b"")))
    assert filtered(stream) == wanted
    assert filtered(*(bytes([byte]) for byte in stream)) == wanted
    for cut in range(len(stream) + 1):
        assert filtered(stream[:cut], stream[cut:]) == wanted


def test_a_stream_without_the_extra_event_passes_and_only_the_first_is_taken():
    assert filtered(STREAM.replace(USAGE, b"")) == STREAM.replace(USAGE, b"")
    assert filtered(STREAM + USAGE) == STREAM.replace(USAGE, b"") + USAGE
    assert filtered(TOKEN, USAGE[:-5]) == TOKEN + USAGE[:-5]


def test_whole_events_never_wait_and_a_long_one_passes_in_parts():
    sieve = UsageFilter()
    assert sieve.feed(TOKEN) == TOKEN
    assert sieve.feed(TOKEN[:20]) == b""
    assert sieve.feed(TOKEN[20:]) == TOKEN
    long = b'data: {"choices":[],"usage":{},"x":"' + b"x" * injection.MAX_EVENT + b'"}\n\n'
    chance = random.Random(3)
    for _ in range(200):
        cuts = sorted(chance.randrange(len(long + STREAM)) for _ in range(8))
        stream = long + STREAM
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert filtered(*pieces) in (
            # In one piece it is whole before it is too long.
            long + STREAM.replace(USAGE, b""),
            STREAM,
        )


class WholeBody:
    """A chunked body whose framing is off already."""

    def __init__(self) -> None:
        self.payload, self.rest, self.is_done = b"", b"", False

    def feed(self, data: bytes) -> bytes:
        self.payload, self.is_done = data, data.endswith(DONE)
        return data


def test_the_meter_still_sees_what_the_client_does_not():
    body = FilteredBody(WholeBody())
    assert body.feed(USAGE) == b""
    assert body.payload == USAGE
    assert body.feed(DONE) == b"%x\r\n%b\r\n0\r\n\r\n" % (len(DONE), DONE)
    assert body.is_done


def chat(body: bytes, *fields: str) -> bytes:
    return request("POST", CHAT, body, *fields)


BODY = b'{"model":"m","stream":true,"messages":[]}'


@pytest.mark.parametrize("piece", [0, 1])
async def test_through_the_relay_usage_is_asked_metered_and_hidden(piece):
    script = replay(answer(STREAM, b"200 OK", SSE, is_chunked=True), piece=piece)
    async with bench(script, inject_usage=True) as stage:
        client = await stage.client()
        for number in range(3):
            got = await client.ask(chat(BODY, "X-a: 1"), piece)
            assert got.is_whole
            assert bytes(got.body) == STREAM.replace(USAGE, b"")
            seen = stage.upstream.requests[number]
            assert bytes(seen.body) == b"{" + ASKED + BODY[1:]
            assert seen.values(b"x-a") == [b"1"]
            assert stage.meter.taps[number].answer == STREAM
            assert bytes(stage.meter.taps[number].request) == BODY
        assert len(stage.upstream.connections) == 1


UNTOUCHED = {
    "it asks itself": (chat(BODY.replace(b"{", b'{"stream_options":null,', 1)), True),
    "it does not stream": (chat(b'{"model":"m"}'), True),
    "no json": (chat(b"nonsense"), True),
    "native": (request("POST", "/api/chat", BODY), True),
    "anthropic": (request("POST", "/v1/messages", BODY), True),
    "switched off": (chat(BODY), False),
}


@pytest.mark.parametrize(("data", "is_on"), UNTOUCHED.values(), ids=UNTOUCHED)
async def test_everything_else_passes_unchanged_both_ways(data, is_on):
    sent = answer(STREAM, b"200 OK", SSE, is_chunked=True)
    async with bench(replay(sent), inject_usage=is_on) as stage:
        got = await stage.ask(data)
        assert bytes(got.raw) == sent
        head, _, body = data.partition(b"\r\n\r\n")
        host = f"Host: 127.0.0.1:{stage.upstream.port}".encode()
        received = head.replace(b"Host: localhost", host) + b"\r\n\r\n" + body
        assert bytes(stage.upstream.connections[0].received) == received


@pytest.mark.parametrize("fields", [(SSE,), (b"Content-Type: application/json",)])
async def test_an_answer_that_is_no_chunked_stream_passes_unchanged(fields):
    sent = answer(STREAM, b"200 OK", *fields)
    async with bench(replay(sent), inject_usage=True) as stage:
        assert bytes((await stage.ask(chat(BODY))).raw) == sent


async def test_recorded_streams_of_ollama_are_the_same_with_usage_taken_out():
    sent = (SAMPLES / "chat-stream-usage.http").read_bytes()
    async with bench(replay(sent), inject_usage=True) as stage:
        got = await stage.ask(chat(BODY))
        events = bytes(stage.meter.taps[0].answer).split(b"\n\n")
        wanted = [event for event in events if not is_extra(event)]
        assert bytes(got.body).split(b"\n\n") == wanted
        assert len(wanted) == len(events) - 1


async def test_a_stream_that_is_cut_does_not_look_whole():
    sent = answer(STREAM, b"200 OK", SSE, is_chunked=True)
    for stop in range(sent.index(b"\r\n\r\n") + 4, len(sent), 7):
        async with bench(replay(sent, stop_at=stop, then="close"), inject_usage=True) as stage:
            assert not (await stage.ask(chat(BODY))).is_whole


async def test_a_client_that_leaves_before_its_request_is_whole_reaches_nobody():
    async with bench(replay(answer()), inject_usage=True) as stage:
        client = await stage.client()
        await client.send(chat(BODY)[:-5])
        await stage.upstream.until(lambda: len(stage.meter.taps) == 1)
        client.leave()
        await stage.until_quiet()
        assert stage.upstream.connections == []


async def test_pipelined_requests_are_changed_one_by_one():
    script = replay(answer(STREAM, b"200 OK", SSE, is_chunked=True))
    async with bench(script, inject_usage=True) as stage:
        client = await stage.client()
        await client.send(chat(BODY) + chat(BODY))
        for _ in range(2):
            assert bytes((await client.answer()).body) == STREAM.replace(USAGE, b"")
