"""What happens when either side leaves, stalls, lies or is overrun: on both loops."""

import asyncio
import contextlib
import random
import socket
import ssl
import subprocess

import pytest

from ollamon.proxy.client import MAX_WAITING
from ollamon.proxy.pool import UpstreamAddress
from ollamon.proxy.relay import Limits
from ollamon.proxy.tap import Ending, Rejection
from tests.fakes.client import bench, quick, request
from tests.fakes.upstream import Upstream, answer, eventually, replay, sequence, silence, soon

CHAT = request("POST", "/api/chat", b'{"model":"tiny"}')
STREAM = answer(b'{"a":1}\n{"a":2}\n{"a":3}\n', is_chunked=True)
SIZED = answer(b"x" * 50)
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n" + b"x" * 50
SHAPES = {
    "/api/chat": b'{"error":"ollamon: ',
    "/v1/chat/completions": b'{"error":{"message":"ollamon: ',
    "/v1/messages": b'{"type":"error","error":{"type":"api_error","message":"ollamon: ',
}


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(("target", "shape"), SHAPES.items())
async def test_an_upstream_that_is_down_is_a_502_at_once_in_the_shape_of_the_route(target, shape):
    url = closed_port()
    async with bench(upstream_url=url) as stage:
        client = await stage.client()
        for _ in range(2):
            got = await client.ask(request("POST", target, b"{}"))
            assert (got.status, got.is_whole) == (502, True)
            assert got.body.startswith(shape)
            assert f"cannot reach Ollama at {url}: connection refused".encode() in got.body
            assert got.values(b"x-ollamon-error") == [b"upstream_refused"]
        assert stage.meter.endings == [Ending.UPSTREAM_REFUSED] * 2
        assert stage.meter.taps[0].status == 502


async def test_a_host_that_does_not_exist_is_a_502():
    async with bench(upstream_url="http://no-such-host.invalid:1") as stage:
        got = await stage.ask(CHAT)
        assert got.status == 502
        assert b"no such host" in got.body


async def test_an_upstream_that_accepts_no_connection_is_a_504():
    with socket.socket() as full:
        # A backlog that is full drops what comes: nothing answers the SYN.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}"
        async with bench(upstream_url=url, timeouts=quick(connect=0.2)) as stage:
            got = await stage.ask(CHAT)
            assert got.status == 504
            assert got.values(b"x-ollamon-error") == [b"connect_timeout"]
            assert stage.meter.endings == [Ending.CONNECT_TIMEOUT]
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("stop_at", [0, 1, 20])
async def test_an_upstream_that_leaves_before_a_whole_head_is_a_502(then, stop_at):
    async with bench(replay(SIZED, stop_at=stop_at, then=then)) as stage:
        got = await stage.ask(CHAT)
        assert (got.status, got.is_whole) == (502, True)
        assert got.values(b"x-ollamon-error") == [b"upstream_reset"]
        assert stage.meter.endings == [Ending.UPSTREAM_RESET]


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("data", [STREAM, SIZED], ids=["chunks", "length"])
async def test_an_answer_that_is_cut_never_looks_whole(data, then):
    head = data.index(b"\r\n\r\n") + 4
    for stop_at in range(head, len(data), 3):
        async with bench(replay(data, stop_at=stop_at, then=then)) as stage:
            got = await stage.ask(CHAT)
            assert (got.status, got.is_whole) == (200, False)
            assert data.startswith(got.raw)
            assert stage.meter.endings == [Ending.UPSTREAM_CUT]


async def test_an_answer_that_lasts_until_the_close_ends_by_a_reset_when_it_is_cut():
    async with bench(replay(UNTIL_CLOSE, stop_at=40, then="reset")) as stage:
        got = await stage.ask(CHAT)
        assert got.was_reset
        assert not got.is_whole
        assert stage.meter.endings == [Ending.UPSTREAM_CUT]


async def test_an_answer_that_lasts_until_the_close_is_whole_when_it_ends_by_one():
    async with bench(replay(UNTIL_CLOSE, then="close")) as stage:
        got = await stage.ask(CHAT)
        assert (got.is_whole, bytes(got.body)) == (True, b"x" * 50)
        assert stage.meter.endings == [Ending.COMPLETE]


async def test_a_cut_stream_is_a_reset_for_an_http_1_0_client():
    async with bench(replay(STREAM, stop_at=len(STREAM) - 5, then="close")) as stage:
        got = await stage.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert got.was_reset


GARBAGE = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nX: y\n\n",
    "CL and TE": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "more than the length": answer(b"abc") + b"d",
    "more than the end": STREAM + b"\r\n",
    "two answers": answer() + answer(),
    "a bad first chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello",
    "oversize head": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
}


async def test_a_long_first_line_of_an_answer_is_no_request_target():
    async with bench(replay(b"HTTP/1.1 200 " + b"y" * 20_000)) as stage:
        got = await stage.ask(CHAT)
        assert got.status == 502
        assert b"status line longer than 16 KiB" in got.body


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
async def test_an_answer_that_is_no_http_is_a_502(data):
    async with bench(replay(data)) as stage:
        got = await stage.ask(CHAT)
        assert got.status == 502
        assert got.values(b"x-ollamon-error") == [b"upstream_garbage"]
        assert stage.meter.endings == [Ending.UPSTREAM_GARBAGE]
        await stage.upstream.connections[0].closed()


async def test_a_read_that_breaks_the_framing_is_not_passed_on():
    gate = asyncio.Event()
    data = STREAM.removesuffix(b"0\r\n\r\n")
    broken = data + b"zz\r\nsecret\r\n"
    async with bench(replay(broken, gates={len(data): gate})) as stage:
        client = await stage.client()
        await client.send(CHAT)
        await client.read_until(b'{"a":3}\n\r\n')
        gate.set()
        assert await client.rest() == (b"", False)
        assert stage.meter.endings == [Ending.UPSTREAM_GARBAGE]
        assert stage.meter.taps[0].status == 200


@pytest.mark.parametrize("data", [SIZED, STREAM], ids=["length", "chunks"])
async def test_bytes_after_the_end_of_an_answer_are_not_passed_on(data):
    gate = asyncio.Event()
    script = replay(data + b"secret", gates={len(data) - 8: gate})
    async with bench(script) as stage:
        client = await stage.client()
        await client.send(CHAT)
        begin = data[: len(data) - 8]
        assert await client.read(len(begin)) == begin
        gate.set()
        assert await client.rest() == (b"", False)
        assert stage.meter.endings == [Ending.UPSTREAM_GARBAGE]


async def test_trailers_of_an_answer_do_not_pass():
    body = STREAM.removesuffix(b"0\r\n\r\n")
    async with bench(replay(body + b"0\r\nX-T: 1\r\n\r\n", piece=5)) as stage:
        client = await stage.client()
        for _ in range(2):
            assert (await client.ask(CHAT)).raw == STREAM


async def leave_in_prefill(stage, client):
    await client.send(CHAT)
    await (await stage.upstream.request()).whole_body()


async def leave_in_stream(stage, client):
    await client.send(CHAT)
    await client.read_until(b'{"a":1}\n\r\n')


async def leave_in_upload(stage, client):
    await client.send(CHAT.replace(b"Length: 16", b"Length: 99999"))
    request = await stage.upstream.request()
    await eventually(lambda: bytes(request.body) == b'{"model":"tiny"}')


PHASES = {"prefill": leave_in_prefill, "stream": leave_in_stream, "upload": leave_in_upload}


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
@pytest.mark.parametrize("phase", PHASES)
async def test_upstream_is_closed_at_once_when_the_client_leaves(phase, how):
    gate = asyncio.Event()
    gates = {0: gate} if phase == "prefill" else {len(STREAM) - 6: gate}
    async with bench(replay(STREAM, gates=gates)) as stage:
        client = await stage.client()
        await PHASES[phase](stage, client)
        if how == "half-close":
            client.writer.write_eof()
        elif how == "close":
            client.writer.close()
        else:
            client.leave()
        connection = await stage.upstream.connection()
        await connection.closed()
        await stage.until_quiet()
        assert stage.meter.endings == [Ending.CLIENT_GONE]
        assert stage.meter.taps[0].status == (200 if phase == "stream" else None)
        assert len(stage.relay.pool) == 0


async def test_a_half_closed_client_that_does_not_read_is_gone_too():
    async def script(connection, found):
        await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await connection.send_all_you_can(bytes(1_000_000))

    async with bench(script) as stage:
        client = await stage.client(buffer=8192)
        client.writer.transport.pause_reading()
        await client.send(CHAT)
        await eventually(lambda: any(found._is_stalled for found in stage.relay._clients))
        client.writer.write_eof()
        await stage.upstream.connections[0].closed()
        assert stage.meter.endings == [Ending.CLIENT_GONE]


async def test_a_client_that_leaves_while_we_connect_is_noticed():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with bench(upstream_url=f"http://127.0.0.1:{full.getsockname()[1]}") as stage:
            client = await stage.client()
            await client.send(CHAT)
            await eventually(lambda: stage.relay.in_flight == 1)
            client.leave()
            await stage.until_quiet()
            assert stage.meter.endings == [Ending.CLIENT_GONE]
        for filler in fillers:
            filler.close()


async def test_of_a_body_only_so_much_waits_for_a_connection_and_all_of_it_passes():
    loop, body = asyncio.get_running_loop(), random.Random(1).randbytes(2_000_000)
    with contextlib.ExitStack() as open_ones:
        full = open_ones.enter_context(socket.socket())
        full.setblocking(False)
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = open_ones.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with bench(upstream_url=f"http://127.0.0.1:{full.getsockname()[1]}") as stage:
            client = await stage.client()
            client.writer.write(request("POST", "/api/blobs/x", body))
            await eventually(lambda: any(each._holds for each in stage.relay._clients))
            await asyncio.sleep(0.1)
            (held,) = stage.relay._clients
            # And one read, of which asyncio's own are the larger ones.
            assert held._waiting_size <= MAX_WAITING + 256 * 1024
            got = b""
            while not got:
                # The fillers come first, and send nothing; then the SYN is tried again.
                accepted, _ = await soon(loop.sock_accept(full))
                open_ones.enter_context(accepted)
                with contextlib.suppress(TimeoutError):
                    got = await asyncio.wait_for(loop.sock_recv(accepted, 65536), 0.2)
            while not got.endswith(body[-100:]):
                got += await soon(loop.sock_recv(accepted, 1 << 20))
            assert got.partition(b"\r\n\r\n")[2] == body
            await loop.sock_sendall(accepted, answer())
            assert (await client.answer(b"POST")).status == 200


async def stale(connection, _request):
    """Close, as a server does with a connection that was idle for too long."""
    connection.reset()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_request_without_body_is_repeated_when_a_reused_connection_was_stale(method):
    script = sequence(replay(answer()), stale, replay(answer(b"" if method == "HEAD" else b"{}")))
    async with bench(script) as stage:
        client = await stage.client()
        await client.ask(request())
        data = request(method)
        if method == "HEAD":
            stage.upstream.script = sequence(stale, replay(b"HTTP/1.1 200 OK\r\n\r\n"))
        got = await client.ask(data)
        assert got.status == 200
        assert len(stage.upstream.connections) == 2
        assert stage.meter.endings == [Ending.COMPLETE] * 2


async def test_it_is_repeated_once():
    async with bench(sequence(replay(answer()), stale)) as stage:
        client = await stage.client()
        await client.ask(request())
        assert (await client.ask(request())).status == 502
        assert len(stage.upstream.requests) == 3


@pytest.mark.parametrize(
    "data", [CHAT, request("POST", "/"), request("GET", "/", b"{}"), request("DELETE", "/")]
)
async def test_a_request_that_may_change_something_is_never_repeated(data):
    async with bench(sequence(replay(answer()), stale, replay(answer()))) as stage:
        client = await stage.client()
        await client.ask(request())
        assert (await client.ask(data)).status == 502
        assert len(stage.upstream.requests) == 2


async def test_a_request_on_a_new_connection_is_not_repeated():
    async with bench(sequence(stale, replay(answer()))) as stage:
        assert (await stage.ask(request())).status == 502
        assert len(stage.upstream.requests) == 1


async def test_it_is_not_repeated_once_a_byte_of_the_answer_came():
    script = sequence(replay(answer()), replay(answer(), stop_at=1, then="close"))
    async with bench(script) as stage:
        client = await stage.client()
        await client.ask(request())
        assert (await client.ask(request())).status == 502
        assert len(stage.upstream.requests) == 2


async def test_a_restarted_upstream_is_found_again():
    async with bench(replay(answer())) as stage:
        client = await stage.client()
        await client.ask(CHAT)
        port = stage.upstream.port
        await stage.upstream.stop()
        await eventually(lambda: len(stage.relay.pool) == 0)
        assert (await client.ask(CHAT)).status == 502
        await stage.upstream.listen(port)
        assert (await client.ask(CHAT)).status == 200


async def test_a_slow_head_is_a_408():
    async with bench(replay(answer()), timeouts=quick(head=0.1)) as stage:
        client = await stage.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: ")
        got = await client.answer()
        assert (got.status, got.values(b"x-ollamon-error")) == (408, [b"head_timeout"])
        assert stage.meter.taps == []


async def test_a_connection_without_a_byte_is_closed_silently():
    async with bench(replay(answer()), timeouts=quick(head=0.05)) as stage:
        assert await (await stage.client()).is_closed()


async def test_an_idle_connection_is_closed_silently():
    async with bench(replay(answer()), timeouts=quick(keep_alive=0.05)) as stage:
        client = await stage.client()
        assert (await client.ask(CHAT)).status == 200
        assert await client.is_closed()


async def test_a_slow_body_is_a_408_and_closes_upstream():
    async with bench(replay(answer()), timeouts=quick(body=0.1)) as stage:
        client = await stage.client()
        await client.send(CHAT[:-3])
        got = await client.answer()
        assert (got.status, got.values(b"x-ollamon-error")) == (408, [b"body_timeout"])
        await stage.upstream.connections[0].closed()
        assert stage.meter.endings == [Ending.CLIENT_TIMEOUT]
        assert stage.meter.taps[0].status == 408


async def test_a_body_that_waits_for_a_continue_is_not_slow():
    gate = asyncio.Event()
    script = replay(b"HTTP/1.1 100 Continue\r\n\r\n", gates={0: gate}, early=True)
    async with bench(script, timeouts=quick(body=0.05)) as stage:
        client = await stage.client()
        await client.send(CHAT.removesuffix(b'\r\n\r\n{"model":"tiny"}'))
        await client.send(b"\r\nExpect: 100-continue\r\n\r\n")
        await stage.upstream.request()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.reader.read(1)
        gate.set()
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        # From now on it is.
        assert (await client.answer()).status == 408


async def test_a_client_that_does_not_read_is_cut_in_the_end():
    async def script(connection, found):
        await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await connection.send_all_you_can(bytes(1_000_000))

    async with bench(script, timeouts=quick(stall=0.2)) as stage:
        client = await stage.client(buffer=8192)
        client.writer.transport.pause_reading()
        await client.send(CHAT)
        await stage.until_quiet()
        await eventually(lambda: stage.meter.endings == [Ending.CLIENT_TIMEOUT])
        await stage.upstream.connections[0].closed()


async def test_a_bad_chunk_of_an_upload_is_a_400_and_closes_upstream():
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with bench(silence) as stage:
        client = await stage.client()
        await client.send(head + b"5\r\nhello\r\n")
        await stage.upstream.request()
        await client.send(b"zz\r\n")
        got = await client.answer()
        assert (got.status, got.values(b"x-ollamon-error")) == (400, [b"malformed"])
        await stage.upstream.connections[0].closed()
        assert stage.meter.endings == [Ending.REJECTED]


async def test_more_requests_than_may_be_in_flight_get_a_503():
    gate = asyncio.Event()
    limits = Limits(in_flight=2)
    async with bench(replay(answer(), gates={0: gate}), limits=limits) as stage:
        clients = [await stage.client() for _ in range(2)]
        for client in clients:
            await client.send(CHAT)
        await stage.upstream.request(1)
        got = await stage.ask(CHAT)
        assert (got.status, got.values(b"retry-after")) == (503, [b"1"])
        assert stage.meter.refusals == [Rejection.OVERLOAD]
        gate.set()
        assert [(await client.answer()).status for client in clients] == [200, 200]
        assert (await stage.ask(CHAT)).status == 200


async def test_more_connections_than_allowed_get_a_503():
    async with bench(replay(answer()), limits=Limits(connections=2)) as stage:
        clients = [await stage.client() for _ in range(2)]
        await eventually(lambda: stage.relay.connections == 2)
        extra = await stage.client()
        got = await extra.answer()
        assert (got.status, got.values(b"retry-after")) == (503, [b"1"])
        assert stage.meter.refusals == [Rejection.OVERLOAD]
        assert stage.meter.taps == []
        extra.leave()
        assert (await clients[0].ask(CHAT)).status == 200


async def test_a_flood_of_connections_is_cut():
    async with bench(replay(answer()), limits=Limits(connections=1)) as stage:
        clients = [await stage.client() for _ in range(80)]
        await eventually(lambda: stage.relay.connections <= 1 + 64)
        ends = await asyncio.gather(*(client.rest() for client in clients[1:]))
        assert sum(data.startswith(b"HTTP/1.1 503") for data, _ in ends) >= 64


async def test_draining_lets_an_answer_finish_and_closes_what_is_idle():
    gate = asyncio.Event()
    timeouts = quick(head=600, keep_alive=600)
    async with bench(replay(STREAM, gates={60: gate}), timeouts=timeouts) as stage:
        idle, busy, waiting = [await stage.client() for _ in range(3)]
        await busy.send(CHAT)
        await stage.upstream.request()
        stage.upstream.script = replay(answer(), gates={0: gate})
        await waiting.send(CHAT)
        await stage.upstream.request(1)
        await eventually(lambda: stage.relay.connections == 3)
        async with asyncio.TaskGroup() as tasks:
            drained = tasks.create_task(stage.relay.drain(30))
            assert await idle.is_closed()
            assert not drained.done()
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await stage.client()
            gate.set()
            got = await waiting.answer()
            assert (got.status, got.values(b"connection")) == (200, [b"close"])
            assert (await busy.answer()).is_whole
            assert await busy.is_closed()
        assert stage.meter.endings == [Ending.COMPLETE] * 2


async def test_a_head_that_ends_while_we_drain_is_a_503():
    async with bench(replay(answer())) as stage:
        client = await stage.client()
        await client.send(CHAT[:20])
        await eventually(lambda: any(found._buffer for found in stage.relay._clients))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stage.relay.drain(30))
            await eventually(lambda: stage.relay.is_draining)
            await client.send(CHAT[20:])
            got = await client.answer()
            assert (got.status, got.values(b"x-ollamon-error")) == (503, [b"draining"])
            client.leave()
        assert stage.meter.refusals == [Rejection.DRAINING]


@pytest.mark.parametrize("data", [STREAM, UNTIL_CLOSE], ids=["chunks", "until close"])
@pytest.mark.parametrize("by", ["timeout", "hurry"])
async def test_what_does_not_finish_is_cut_and_does_not_look_whole(data, by):
    gate = asyncio.Event()
    stop_at = data.index(b"\r\n\r\n") + 4
    async with bench(replay(data, gates={stop_at: gate})) as stage:
        client = await stage.client()
        await client.send(CHAT)
        await client.read_until(b"\r\n\r\n")
        if by == "hurry":
            stage.relay.hurry()
        await stage.relay.drain(0.1 if by == "timeout" else 30)
        rest, was_reset = await client.rest()
        assert rest == b""
        assert was_reset is (data is UNTIL_CLOSE)
        assert stage.meter.endings == [Ending.SHUTDOWN]
        await stage.upstream.connections[0].closed()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


class TlsUpstream(Upstream):
    def __init__(self, script, certificate):
        super().__init__(script)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    async def listen(self, port=0):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_upstream_may_speak_https_and_its_certificate_counts(certificate, is_trusted):
    trust = ssl.create_default_context(cafile=certificate / "cert.pem" if is_trusted else None)
    async with TlsUpstream(replay(STREAM), certificate) as upstream:
        url = f"https://127.0.0.1:{upstream.port}"
        authority = f"127.0.0.1:{upstream.port}".encode()
        address = UpstreamAddress(url, "127.0.0.1", upstream.port, authority, trust)
        async with bench(address=address) as stage:
            client = await stage.client()
            got = await client.ask(CHAT)
            if is_trusted:
                assert got.raw == STREAM
                assert (await client.ask(CHAT)).raw == STREAM
                assert len(upstream.connections) == 1
            else:
                assert got.status == 502
                assert b"certificate" in got.body
