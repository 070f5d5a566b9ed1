"""Every kind of fault, again and again: the right end each time, and nothing is left of it.

Three times each here; OLLAMON_FULL=1 repeats each 200 times.
"""

import asyncio
import contextlib
import hashlib
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

import psutil
import pytest

from ollamon.proxy.pool import UpstreamAddress
from ollamon.proxy.tap import Ending
from tests.fakes.client import Bench, bench, quick, request
from tests.fakes.upstream import answer, eventually, replay, sequence, silence, soon
from tests.proof.cases import make_case
from tests.proof.stage import staging, sum_of

REPEATS = 200 if os.environ.get("OLLAMON_FULL") else 3
CHAT = request("POST", "/api/chat", b'{"model":"tiny"}')
LINES = b'{"a":1}\n{"a":2}\n{"a":3}\n'
STREAM = answer(LINES, is_chunked=True)
SIZED = answer(b"x" * 50)
HEAD_END = STREAM.index(b"\r\n\r\n") + 4
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50

Fault = Callable[[Bench], Awaitable[None]]
FAULTS: dict[str, tuple[Fault, dict[str, object]]] = {}


def fault(name: str, **settings: object) -> Callable[[Fault], Fault]:
    def take(run: Fault) -> Fault:
        FAULTS[name] = (run, settings)
        return run

    return take


async def ends_as(stage: Bench, ending: Ending, status: int, *, is_whole: bool) -> None:
    got = await stage.ask(CHAT)
    assert (got.status, got.is_whole) == (status, is_whole)
    await stage.until_quiet()
    assert stage.meter.endings[-1] is ending


def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@fault("refused", upstream_url=closed_url())
async def refused(stage):
    await ends_as(stage, Ending.UPSTREAM_REFUSED, 502, is_whole=True)


def upstream_that(
    name: str, data: bytes, stop_at: int | None, then: str, ending: Ending, status: int
) -> None:
    @fault(name)
    async def run(stage):
        stage.upstream.script = replay(data, stop_at=stop_at, then=then)
        await ends_as(stage, ending, status, is_whole=status == 502)


upstream_that("reset before the head", SIZED, 0, "reset", Ending.UPSTREAM_RESET, 502)
upstream_that("reset in the head", SIZED, 12, "reset", Ending.UPSTREAM_RESET, 502)
upstream_that("reset after the head", STREAM, HEAD_END, "reset", Ending.UPSTREAM_CUT, 200)
upstream_that("reset in a chunk", STREAM, HEAD_END + 20, "reset", Ending.UPSTREAM_CUT, 200)
upstream_that("early FIN", SIZED, 0, "close", Ending.UPSTREAM_RESET, 502)
upstream_that("FIN in the body", SIZED, len(SIZED) - 9, "close", Ending.UPSTREAM_CUT, 200)
upstream_that("FIN in a chunk", STREAM, HEAD_END + 20, "close", Ending.UPSTREAM_CUT, 200)
for name, data in {
    "garbage": b"SSH-2.0-OpenSSH\r\n\r\n",
    "oversize head": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a bad first chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello",
    "two answers": answer() + answer(),
}.items():
    upstream_that(name, data, None, "", Ending.UPSTREAM_GARBAGE, 502)


@fault("reset of an answer that lasts until the close")
async def reset_until_close(stage):
    stage.upstream.script = replay(UNTIL_CLOSE, stop_at=40, then="reset")
    got = await stage.ask(CHAT)
    assert got.was_reset
    assert not got.is_whole


@fault("a bad chunk later")
async def bad_chunk_later(stage):
    gate = asyncio.Event()
    broken = STREAM.removesuffix(b"0\r\n\r\n") + b"zz\r\n"
    stage.upstream.script = replay(broken, gates={len(broken) - 4: gate})
    client = await stage.client()
    await client.send(CHAT)
    await client.read_until(b'{"a":3}\n\r\n')
    gate.set()
    assert await client.rest() == (b"", False)
    client.leave()


@fault("slow head", timeouts=quick(head=0.05))
async def slow_head(stage):
    client = await stage.client()
    await client.send(CHAT[:10])
    assert (await client.answer()).status == 408
    client.leave()


@fault("slow body", timeouts=quick(body=0.05))
async def slow_body(stage):
    client = await stage.client()
    stage.upstream.script = silence
    await client.send(CHAT[:-3])
    assert (await client.answer()).status == 408
    client.leave()
    await stage.until_quiet()
    assert stage.meter.endings[-1] is Ending.CLIENT_TIMEOUT


@fault("a client that stalls", timeouts=quick(stall=0.1))
async def stall(stage):
    async def script(connection, _request):
        await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await connection.send_all_you_can(bytes(1_000_000))

    stage.upstream.script = script
    client = await stage.client(buffer=8192)
    client.writer.transport.pause_reading()
    await client.send(CHAT)
    count = len(stage.meter.taps)
    await eventually(lambda: len(stage.meter.taps) > count or stage.meter.active == 1)
    await stage.until_quiet()
    assert stage.meter.endings[-1] is Ending.CLIENT_TIMEOUT
    client.leave()


@fault("writes of one byte")
async def one_byte(stage):
    stage.upstream.script = replay(STREAM, piece=1)
    got = await stage.ask(CHAT, piece=1)
    assert bytes(got.body) == LINES


@fault("slow answer")
async def slow_answer(stage):
    gate = asyncio.Event()
    stage.upstream.script = replay(SIZED, gates={5: gate, HEAD_END + 3: gate})
    client = await stage.client()
    await client.send(CHAT)
    await eventually(lambda: stage.relay.in_flight == 1)
    gate.set()
    assert (await client.answer()).is_whole
    client.leave()


@fault("early 4xx")
async def early_refusal(stage):
    stage.upstream.script = replay(answer(b"no", b"413 Too Large"), early=True)
    client = await stage.client()
    await client.send(CHAT.replace(b"Length: 16", b"Length: 9000000"))
    assert (await client.answer()).status == 413
    client.leave()


async def stale(connection, _request):
    connection.reset()


@fault("stale keep-alive, a GET")
async def stale_get(stage):
    stage.upstream.script = sequence(replay(answer()), stale, replay(answer()))
    client = await stage.client()
    assert [(await client.ask(request())).status for _ in range(2)] == [200, 200]
    client.leave()


@fault("stale keep-alive, a POST")
async def stale_post(stage):
    for data in (CHAT, request("POST", "/api/chat")):
        stage.upstream.script = sequence(replay(answer()), stale, replay(answer()))
        client = await stage.client()
        before = len(stage.upstream.requests)
        assert [(await client.ask(data)).status for _ in range(2)] == [200, 502]
        assert len(stage.upstream.requests) == before + 2
        client.leave()


@fault("restart")
async def restart(stage):
    stage.upstream.script = replay(answer())
    client = await stage.client()
    assert (await client.ask(CHAT)).status == 200
    port = stage.upstream.port
    await stage.upstream.stop()
    await eventually(lambda: len(stage.relay.pool) == 0)
    assert (await client.ask(CHAT)).status == 502
    await stage.upstream.listen(port)
    assert (await client.ask(CHAT)).status == 200
    client.leave()


@fault("half-close")
async def half_close(stage):
    stage.upstream.script = silence
    client = await stage.client()
    count = len(stage.upstream.connections)
    await client.send(CHAT)
    connection = await stage.upstream.connection(count)
    client.writer.write_eof()
    await connection.closed()
    await stage.until_quiet()
    assert stage.meter.endings[-1] is Ending.CLIENT_GONE
    client.leave()


@fault("the clock jumps")
async def clock_step(stage):
    gate = asyncio.Event()
    stage.upstream.script = replay(STREAM, gates={HEAD_END: gate})
    client = await stage.client()
    await client.send(CHAT)
    await client.read_until(b"\r\n\r\n")
    real = time.time
    try:
        for days in (-400, 400):
            time.time = lambda days=days: real() + days * 86_400
            await asyncio.sleep(0.03)
        gate.set()
        assert (await client.read_until(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")
    finally:
        time.time = real
    client.leave()


async def settle(stage: Bench) -> tuple[int, int]:
    """Wait until nothing runs; return descriptors and tasks."""
    for client in stage.clients:
        client.leave()
    stage.clients.clear()
    await stage.until_quiet()
    await eventually(lambda: stage.relay.connections == 0)
    stage.relay.pool.close()
    await eventually(lambda: all(each.is_closed.is_set() for each in stage.upstream.connections))
    await eventually(lambda: not stage.upstream._tasks)
    assert stage.relay.in_flight == 0
    return psutil.Process().num_fds(), len(asyncio.all_tasks())


@pytest.mark.timeout(600 if REPEATS > 3 else 120)
@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_ends_as_it_must_and_leaves_nothing(name):
    run, settings = FAULTS[name]
    async with bench(**settings) as stage:
        await run(stage)
        before = await settle(stage)
        for _ in range(REPEATS - 1):
            await run(stage)
        await settle(stage)
        await eventually(lambda: psutil.Process().num_fds() <= before[0])
        await eventually(lambda: len(asyncio.all_tasks()) <= before[1])


def test_there_are_as_many_kinds_as_promised():
    # Four more kinds need processes of their own, below.
    assert len(FAULTS) + 4 >= 24


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """A server that accepts no connection: nothing answers the SYN."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"
        for filler in fillers:
            filler.close()


async def test_a_black_hole_is_a_504():
    with full_backlog() as url:
        async with bench(address=UpstreamAddress.of(url), timeouts=quick(connect=0.1)) as stage:
            await ends_as(stage, Ending.CONNECT_TIMEOUT, 504, is_whole=True)
            before = await settle(stage)
            for _ in range(min(REPEATS, 20)):
                await ends_as(stage, Ending.CONNECT_TIMEOUT, 504, is_whole=True)
            assert await settle(stage) <= before


async def test_a_client_that_leaves_a_black_hole_takes_the_connecting_with_it():
    with full_backlog() as url:
        async with bench(address=UpstreamAddress.of(url), timeouts=quick(connect=600.0)) as stage:
            before = await settle(stage)
            for _ in range(REPEATS):
                client = await stage.client()
                await client.send(CHAT)
                await eventually(lambda: stage.relay.in_flight == 1)
                client.leave()
                await settle(stage)
            await eventually(lambda: len(asyncio.all_tasks()) <= before[1])
            await eventually(lambda: psutil.Process().num_fds() <= before[0])


UPSTREAM_PROGRAM = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"yes")
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
CLIENT_PROGRAM = """
import hashlib, sys, urllib.request
answer = urllib.request.urlopen(sys.argv[1], timeout=60)
print("begun", flush=True)
seen = hashlib.sha256()
while part := answer.read(65536):
    seen.update(part)
print(seen.hexdigest(), flush=True)
"""


@contextlib.asynccontextmanager
async def running(program: str, *arguments: str):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_an_upstream_that_is_stopped_for_a_while_answers_later():
    async with running(UPSTREAM_PROGRAM) as upstream:
        port = int(await soon(upstream.stdout.readline()))
        async with bench(upstream_url=f"http://127.0.0.1:{port}") as stage:
            for _ in range(min(REPEATS, 20)):
                upstream.send_signal(signal.SIGSTOP)
                client = await stage.client()
                await client.send(CHAT)
                await eventually(lambda: stage.relay.in_flight == 1)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await client.reader.read(1)
                upstream.send_signal(signal.SIGCONT)
                assert (await client.answer()).body == b"yes"
                client.leave()
            await settle(stage)


async def test_a_client_that_is_stopped_for_a_while_gets_all_of_it():
    data = os.urandom(1 << 20) * 24
    async with bench(replay(answer(data))) as stage:
        for _ in range(min(REPEATS, 10)):
            url = f"http://localhost:{stage.port}/"
            async with running(CLIENT_PROGRAM, url) as client:
                assert await soon(client.stdout.readline()) == b"begun\n"
                client.send_signal(signal.SIGSTOP)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await client.wait()
                client.send_signal(signal.SIGCONT)
                told = (await soon(client.stdout.readline())).strip().decode()
                assert told == hashlib.sha256(data).hexdigest()
        await settle(stage)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="another process's limits: Linux")
async def test_no_more_descriptors_is_a_502_and_passes(new_child):
    async with staging(new_child) as stage:
        await stage.play(make_case(1, kind="plain"))
        spare = stage.spare_files()
        pid = stage.child.process.pid
        usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        client = await stage.connect()
        for count in range(REPEATS):
            first, pinched, waiting, last = (
                make_case(100 + count * 20 + number, kind="plain") for number in range(4)
            )
            # It has its connection, and the one to upstream goes.
            assert (await stage.ask(first, *client)).startswith(b"HTTP/1.1 200 ")
            await stage.leave_upstream()
            # No descriptor has a number below zero: there is none to be had.
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, usual[1]))
            assert (await stage.ask(pinched, *client)).startswith(b"HTTP/1.1 502 ")
            late = asyncio.gather(stage.play(waiting))
            await asyncio.wait([late], timeout=0.2)
            assert not late.done()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
            # What could not be accepted waited, and is served now.
            assert (await soon(late))[0].startswith(b"HTTP/1.1 200 ")
            assert (await stage.ask(last, *client)).startswith(b"HTTP/1.1 200 ")
        client[1].close()
        await stage.until(lambda found: sum_of(found, "ollama_proxy_active_requests") == 0)
        await stage.until_spare_files(spare)
