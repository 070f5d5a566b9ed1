"""No payload is read in two ways: what upstream gets, h11 and a strict checker of our own accept.

OLLAMON_FULL=1 also sends every payload in pieces, cut at random.
"""

import asyncio
import os
import random
from collections.abc import Iterable

import h11
import pytest

from ollamon.proxy.relay import Relay
from tests.fakes.client import bench, quick
from tests.fakes.upstream import eventually
from tests.proof.hostile import FAMILIES, PROBE, Fate, Payload, corpus
from tests.proof.strict import Seen, Violation, read_requests

FULL = bool(os.environ.get("OLLAMON_FULL"))
ANSWER = b"HTTP/1.1 200 OK\r\nX-Answer: yes\r\nContent-Length: 0\r\n\r\n"
PROBE_READ = (b"GET", b"/probe", b"")
LANES = 8
CORPUS = corpus()


class Recorder(asyncio.Protocol):
    """One connection of an upstream that writes down every byte and answers whole requests."""

    def __init__(self, made: list["Recorder"]) -> None:
        self.stream = bytearray()
        self.is_closed = False
        self._answered = 0
        made.append(self)

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.stream += data
        try:
            seen = read_requests(bytes(self.stream[self._answered :]))
        except Violation:
            # Perhaps the rest is on its way; the stream is judged when all of it is there.
            return
        if all(request.is_whole for request in seen):
            self._transport.write(ANSWER * len(seen))
            self._answered = len(self.stream)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True


def read_by_h11(stream: bytes) -> list[Seen]:
    """Read a stream as h11 does; targets with 8-bit characters are none for it."""
    found = []
    while stream:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        parser.receive_data(stream)
        head = parser.next_event()
        assert isinstance(head, h11.Request), stream[:80]
        body, is_whole = b"", False
        while isinstance(event := parser.next_event(), h11.Data):
            body += event.data
        if isinstance(event, h11.EndOfMessage):
            is_whole = True
        found.append(Seen(bytes(head.method), bytes(head.target), (), body, is_whole))
        stream = parser.trailing_data[0] if is_whole else b""
    return found


class Lane:
    """One relay and its recording upstream; payloads one after the other."""

    def __init__(self, relay: Relay, port: int, made: list[Recorder]) -> None:
        self.relay = relay
        self.made = made
        self._port = port

    async def try_(self, payload: Payload, rng: random.Random | None) -> None:
        """Send a payload and judge what became of it."""
        before = [(each, len(each.stream)) for each in self.made]
        answer = await self._send(payload.data + PROBE, rng)
        await eventually(self._is_quiet)
        known = {id(each) for each, _ in before}
        streams = [bytes(each.stream[start:]) for each, start in before]
        streams += [bytes(each.stream) for each in self.made if id(each) not in known]
        judge(payload, [stream for stream in streams if stream], answer)

    async def _send(self, data: bytes, rng: random.Random | None) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        got = b""
        try:
            for piece in pieces(data, rng):
                writer.write(piece)
                await writer.drain()
                if rng is not None:
                    await asyncio.sleep(0)
            while part := await asyncio.wait_for(reader.read(65536), 20):
                got += part
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
        return got

    def _is_quiet(self) -> bool:
        still_open = sum(not each.is_closed for each in self.made)
        is_quiet = self.relay.in_flight == self.relay.connections == 0
        return is_quiet and still_open == len(self.relay.pool)


def pieces(data: bytes, rng: random.Random | None) -> Iterable[bytes]:
    if rng is None:
        return [data]
    cuts = sorted({rng.randrange(min(len(data), 600)) for _ in range(rng.randrange(1, 9))})
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def judge(payload: Payload, streams: list[bytes], answer: bytes) -> None:
    told = (payload.family, payload.data[:300], payload.fate, streams, answer[:300])
    seen = [request for stream in streams for request in read_requests(stream)]
    again = [request for stream in streams for request in read_by_h11(stream)]
    assert [each.gist for each in seen] == [each.gist for each in again], told
    answers = answer.count(b"X-Answer: yes")
    whole = [each.gist for each in seen if each.is_whole]
    assert answers == len(whole), told
    expected = list(payload.requests)
    match payload.fate:
        case Fate.REFUSED:
            assert streams == [], told
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505 ")), told
            assert b"\r\nConnection: close\r\n" in answer, told
        case Fate.PASSED:
            assert whole == [*expected, PROBE_READ], told
            assert len(whole) == len(seen), told
        case Fate.LAST:
            assert whole == expected, told
            assert len(whole) == len(seen), told
        case Fate.BROKEN:
            assert is_broken(payload, seen), told
        case Fate.EITHER:
            assert whole == [*expected, PROBE_READ] or is_broken(payload, seen), told


def is_broken(payload: Payload, seen: list[Seen]) -> bool:
    """At most one request came, it did not end, and its body began as the payload's does."""
    line = payload.data.partition(b"\r\n")[0]
    return not seen or (
        len(seen) == 1 and not seen[0].is_whole and line.startswith(seen[0].method + b" ")
    )


async def run_lane(payloads: list[Payload], is_cut: bool) -> list[str]:
    """Try payloads on a relay of their own; return what was violated."""
    made: list[Recorder] = []
    server = await asyncio.get_running_loop().create_server(lambda: Recorder(made), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    violations = []
    async with server, bench(upstream_url=url, timeouts=quick(body=0.5, linger=5.0)) as stage:
        lane = Lane(stage.relay, stage.port, made)
        for payload in payloads:
            try:
                await lane.try_(payload, random.Random(payload.data) if is_cut else None)
            except (AssertionError, h11.RemoteProtocolError) as error:
                violations.append(f"{payload.family}: {error}")
    # Nothing was added later: each connection's whole stream stands.
    for each in made:
        assert read_by_h11(bytes(each.stream)) is not None
        read_requests(bytes(each.stream))
    return violations


def test_the_corpus_is_as_large_as_promised():
    assert len({payload.data for payload in CORPUS}) == len(CORPUS) >= 2000
    assert len(FAMILIES) >= 40
    assert {payload.family for payload in CORPUS} == set(FAMILIES)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "in pieces"])
async def test_no_payload_is_read_in_two_ways(is_cut):
    payloads = CORPUS if FULL or not is_cut else CORPUS[::10]
    found = await asyncio.gather(
        *(run_lane(payloads[lane::LANES], is_cut) for lane in range(LANES))
    )
    assert "\n".join(line for lines in found for line in lines) == ""


async def test_what_follows_a_refusal_later_does_not_kill_it():
    async with bench() as stage:
        client = await stage.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: evil.com\r\n\r\n")
        await eventually(lambda: stage.meter.refusals != [] and stage.relay.in_flight == 0)
        for _ in range(5):
            await client.send(PROBE)
            await asyncio.sleep(0)
        assert (await client.answer()).status == 403
        assert await client.is_closed()


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 01\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\na\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nleft over",
    ],
)
def test_the_checker_itself_refuses(stream):
    with pytest.raises(Violation):
        read_requests(stream)
