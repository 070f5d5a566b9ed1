"""A real proxy child between clients and an upstream that both play cases, and its own numbers."""

import asyncio
import contextlib
import json
import socket
import struct
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.children import Child
from tests.fakes.upstream import WAIT_S, soon
from tests.proof.cases import CUT, MODELS, Case

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def poll_answer(path: str) -> bytes:
    known = {
        "/api/tags": {"models": [{"name": name} for name in MODELS]},
        "/api/version": {"version": "0.1.2"},
    }
    body = json.dumps(known.get(path, {"models": []})).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Let the end of a connection be a reset instead of a FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass
class Stage:
    """What runs.

    Attributes:
        cases: Number -> case; upstream finds its part here.
        at_upstream: Connections of the child, where upstream ends.
        connections_used: Those on which a case came, and not what the proxy asks itself.
        seen: Number of a case -> set when the client got the first piece.
    """

    child: Child
    cases: dict[int, Case] = field(default_factory=dict)
    at_upstream: set[asyncio.StreamWriter] = field(default_factory=set)
    connections_used: int = 0
    seen: dict[int, asyncio.Event] = field(default_factory=dict)
    reached: dict[int, asyncio.Event] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Upstream's side of one connection."""
        self.at_upstream.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                self.connections_used += b"\r\nX-Case:" in head
                while await self._answer(head, reader, writer):
                    head = await reader.readuntil(b"\r\n\r\n")
        finally:
            self.at_upstream.discard(writer)
            writer.transport.abort()

    async def _answer(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:-2])
        if "x-case" not in fields:
            writer.write(poll_answer(lines[0].split(" ")[1]))
            return True
        case = self.cases[int(fields["x-case"])]
        self.reached[case.number].set()
        await reader.readexactly(int(fields.get("content-length", "0")))
        if case.kind == "reset":
            return False
        if case.kind == "garbage":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
            return False
        if case.kind in ("abort prefill", "abort plain"):
            assert await soon(reader.read(1)) == b"", "the client is gone, and upstream not told"
            return False
        return await self._send(case, reader, writer)

    async def _send(
        self, case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        begin, first, *rest = case.answer()
        writer.write(begin + first)
        if rest:
            await soon(self.seen[case.number].wait())
        if case.kind == "abort stream":
            assert await soon(reader.read(1)) == b""
            return False
        if case.kind == "cut":
            writer.write(rest[0][:-CUT])
            await writer.drain()
            writer.close()
            return False
        if case.kind == "left after the end":
            writer.writelines(rest[:-1])
            assert await soon(reader.read(1)) == b""
            return False
        writer.writelines(rest)
        await writer.drain()
        return True

    def announce(self, case: Case) -> None:
        """Let upstream know a case before it is asked."""
        self.cases[case.number] = case
        self.seen[case.number], self.reached[case.number] = asyncio.Event(), asyncio.Event()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client's connection."""
        host, _, port = self.child.address("listen").rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def ask(
        self, case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """Ask on a connection that stays; return the answer."""
        self.announce(case)
        writer.write(case.request())
        async with asyncio.timeout(WAIT_S):
            return await self._read(case, reader)

    async def play(self, case: Case) -> bytes:
        """The client's side; return what it got."""
        self.announce(case)
        reader, writer = await self.connect()
        got = b""
        try:
            data = case.request()
            if case.kind == "abort upload":
                writer.write(data[: case.uploaded - len(case.body)])
                await soon(self.reached[case.number].wait())
                return got
            writer.write(data)
            if case.kind in ("abort prefill", "abort plain"):
                await soon(self.reached[case.number].wait())
                return got
            async with asyncio.timeout(WAIT_S):
                return await self._read(case, reader)
        finally:
            if case.kind.startswith("abort") and case.number % 2:
                reset_on_close(writer)
            writer.transport.abort()
            del self.seen[case.number], self.reached[case.number]

    async def _read(self, case: Case, reader: asyncio.StreamReader) -> bytes:
        got = b""
        whole = b"".join(case.answer()) if case.expected is not None else b""
        body = whole.partition(b"\r\n\r\n")[2]
        if case.kind == "left after the end":
            body = body.removesuffix(b"0\r\n\r\n")
        first = len(case.answer()[1]) if case.pieces else 0
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65536):
                got += part
                head, end, rest = got.partition(b"\r\n\r\n")
                if end and len(rest) >= first:
                    self.seen[case.number].set()
                    if case.kind == "abort stream":
                        break
                is_ours = b"\r\nX-Ollamon-Error" in head
                if end and not is_ours and body and len(rest) >= len(body):
                    assert rest == body
                    break
                if end and is_ours and b"Connection: close" not in head and rest.endswith(b"}"):
                    break
        return got

    async def samples(self) -> Samples:
        """The proxy's numbers now."""
        text = (await self.get("/metrics")).decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for found in text_string_to_metric_families(text)
            for sample in found.samples
        }

    async def get(self, path: str) -> bytes:
        def ask() -> bytes:
            url = self.child.urls["metrics_listen"] + path
            with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
                return answer.read()

        return await asyncio.to_thread(ask)

    async def until(self, is_so: Callable[[Samples], bool]) -> Samples:
        """Scrape until something is so."""
        async with asyncio.timeout(WAIT_S):
            while not is_so(found := await self.samples()):  # noqa: ASYNC110 - another process
                # A rendered answer is used again for a second.
                await asyncio.sleep(0.2)
            return found

    def spare_files(self) -> int:
        """Descriptors of the child, those to upstream not counted."""
        return psutil.Process(self.child.process.pid).num_fds() - len(self.at_upstream)

    async def leave_upstream(self) -> None:
        """Let upstream close what the proxy keeps, and wait until it knows."""
        spare, kept = self.spare_files(), set(self.at_upstream)
        for writer in kept:
            writer.transport.abort()
        async with asyncio.timeout(WAIT_S):
            while kept & self.at_upstream:  # noqa: ASYNC110 - their own tasks end first
                await asyncio.sleep(0)
        await self.until_spare_files(spare)

    async def until_spare_files(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.spare_files() > count:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)

    async def play_all(self, cases: Iterable[Case], lanes: int = 8) -> None:
        """Play cases, some at a time."""
        left = iter(cases)

        async def lane() -> None:
            for case in left:
                await self.play(case)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(lanes):
                tasks.create_task(lane())


@contextlib.asynccontextmanager
async def staging(
    new_child: Callable[..., Child], program: str = "", **section: dict[str, object]
) -> AsyncIterator[Stage]:
    """Run upstream and a real proxy that knows the models of the cases."""
    stage = Stage(new_child("proxy", "listen", "metrics_listen"))
    stage.child.program = program
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await stage.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        else:
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        stage.child.start({"ollama": {"url": url}, **section})
        await asyncio.to_thread(stage.child.wait_ready)
        await stage.until(lambda found: sum_of(found, "ollama_models_installed") == len(MODELS))
        yield stage
    finally:
        server.close()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(set(running))
            for task in running:
                task.result()


def sum_of(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a family's samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in samples.items() if found == name and wanted <= has)
