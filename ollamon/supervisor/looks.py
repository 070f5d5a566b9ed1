"""One look at a program: over HTTP, by connecting, or by running a command."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import urlsplit

from ollamon.supervisor import errands, reaper
from ollamon.supervisor.spec import ExecProbe, HttpProbe, Probe, TcpProbe

MAX_HEAD = 16 * 1024
MAX_HEADERS = 100
RUN_HEADER = b"x-ollamon-run"

Answer = tuple[bool, str]
"""Whether all is well, and what was seen in few words."""
Question = Callable[[float], Awaitable[Answer]]
"""Ask once, and wait for the answer at most so many seconds."""


@dataclass(frozen=True, slots=True)
class Asker:
    """What looks need of the world.

    Attributes:
        run_id: That an answer must carry which is to prove that it comes from this run.
    """

    loop: asyncio.AbstractEventLoop
    processes: reaper.Reaper
    run_id: str

    def questions(self, probe: Probe) -> tuple[Question, Question | None]:
        """Return the question after readiness, and that after life, None when there is none.

        Raises:
            OSError, ValueError: An address cannot be found.
        """
        match probe:
            case HttpProbe():
                run_id = self.run_id if probe.proves_run else ""
                live = _http(probe.live_url, run_id) if probe.live_url else None
                return _http(probe.ready_url, run_id), live
            case TcpProbe():
                question = _tcp(probe)
            case ExecProbe():
                question = self._exec(probe.argv)
            case _:
                assert_never(probe)
        return question, question if probe.shows_life else None

    def _exec(self, argv: Sequence[str]) -> Question:
        async def ask(timeout_s: float) -> Answer:
            try:
                async with asyncio.timeout(timeout_s):
                    code = await self._run(argv)
            except TimeoutError:
                return False, f"no end in {timeout_s:g} s: {argv[0]}"
            except OSError as error:
                return False, f"{error.strerror}: {argv[0]}"
            how = f"signal {-code}" if code < 0 else f"exit {code}"
            return code == 0, f"{how}: {argv[0]}"

        return ask

    async def _run(self, argv: Sequence[str]) -> int:
        """Run a command and return its exit code; whoever waits no longer ends it."""
        pid = errands.start(argv, self.run_id, "probe")
        ended: asyncio.Future[int] = self.loop.create_future()

        def tell(code: int) -> None:
            if not ended.done():
                ended.set_result(code)

        self.processes.watch(pid, tell)
        try:
            return await ended
        finally:
            if not ended.done() or ended.cancelled():
                reaper.kill_group(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a probe asks. The host is resolved once, since a lookup later would need a thread."""

    family: int
    address: str
    port: int
    head: bytes
    path: str

    @classmethod
    def of(cls, url: str) -> "Target":
        """Resolve a plain `http` URL.

        Raises:
            OSError: Its host has no address.
        """
        parts = urlsplit(url)
        port = parts.port or 80
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nUser-Agent: ollamon\r\n\r\n"
        return cls(found[0][0], str(found[0][4][0]), port, head.encode(), path)


async def look(target: Target, timeout_s: float, run_id: str = "") -> Answer:
    """Ask once; well is a 2xx answer, which names the run where one is given."""
    try:
        async with asyncio.timeout(timeout_s):
            status, named = await _ask(target, names_run=bool(run_id))
    except TimeoutError:
        return False, f"no answer in {timeout_s:g} s: {target.path}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return False, f"{reason}: {target.path}"
    if run_id and named != run_id:
        return False, f"somebody else answers: {target.path}"
    return 200 <= status < 300, f"{status}: {target.path}"


def _http(url: str, run_id: str) -> Question:
    target = Target.of(url)

    async def ask(timeout_s: float) -> Answer:
        return await look(target, timeout_s, run_id)

    return ask


def _tcp(probe: TcpProbe) -> Question:
    where = f"{probe.host}:{probe.port}"
    # Resolved here, since a lookup later would need a thread.
    found = socket.getaddrinfo(probe.host, probe.port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])

    async def ask(timeout_s: float) -> Answer:
        try:
            async with asyncio.timeout(timeout_s):
                _, writer = await asyncio.open_connection(address, probe.port)
        except TimeoutError:
            return False, f"no connection in {timeout_s:g} s: {where}"
        except OSError as error:
            return False, f"{error.strerror or error}: {where}"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True, f"accepts: {where}"

    return ask


async def _ask(target: Target, *, names_run: bool) -> tuple[int, str]:
    """Return the status, and the run that the answer names; "" when it names none."""
    reader, writer = await asyncio.open_connection(
        target.address, target.port, family=target.family, limit=MAX_HEAD
    )
    try:
        writer.write(target.head)
        line = await reader.readline()
        named = await _named_run(reader) if names_run else ""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    words = line.split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError("no HTTP answer")
    return int(words[1]), named


async def _named_run(reader: asyncio.StreamReader) -> str:
    for _ in range(MAX_HEADERS):
        name, _, value = (await reader.readline()).partition(b":")
        if not name.strip():
            break
        if name.strip().lower() == RUN_HEADER:
            return value.strip().decode(errors="replace")
    return ""
