import asyncio
import functools
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ollamon.supervisor.looks import Asker, Target, look
from ollamon.supervisor.probe import NotifyWatch, ProbeWatch
from ollamon.supervisor.reaper import Reaper
from ollamon.supervisor.spec import ExecProbe, HttpProbe, Rhythm, TcpProbe
from ollamon.supervisor.vitals import Verdict


class Ear:
    """Hears what a watch tells."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[object] = asyncio.Queue()
        self.looks: asyncio.Queue[tuple[bool, str]] = asyncio.Queue()

    def became_ready(self) -> None:
        self.heard.put_nowait("ready")

    def judged(self, verdict: Verdict, detail: str) -> None:
        self.heard.put_nowait(verdict)

    def looked(self, is_ok: bool, detail: str) -> None:
        self.looks.put_nowait((is_ok, detail))

    def said(self, text: str) -> None:
        self.heard.put_nowait(text)

    async def next(self) -> object:
        async with asyncio.timeout(20):
            return await self.heard.get()

    async def look(self) -> tuple[bool, str]:
        async with asyncio.timeout(20):
            return await self.looks.get()


def asker(run_id: str = "7f3a") -> Asker:
    loop = asyncio.get_running_loop()
    return Asker(loop, Reaper(loop), run_id)


def collect(reaper: Reaper) -> None:
    for pid in reaper._known:
        os.waitpid(pid, 0)


class Server:
    """Answers every connection with the bytes it is given, or not at all."""

    def __init__(self) -> None:
        self.answer: bytes | None = b"HTTP/1.1 200 OK\r\n\r\n"
        self.asked: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            if self.answer is None:
                await reader.read()
            else:
                writer.write(self.answer)
        except asyncio.IncompleteReadError:
            # One that only looks whether somebody listens says nothing.
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    scripted = Server()
    async with await asyncio.start_server(scripted.serve, "127.0.0.1", 0) as server:
        scripted.port = server.sockets[0].getsockname()[1]
        yield scripted


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", (True, "200: /-/ready?x=1")),
        (b"HTTP/1.1 204\r\n\r\n", (True, "204: /-/ready?x=1")),
        (b"HTTP/1.1 503 Busy\r\n\r\n", (False, "503: /-/ready?x=1")),
        (b"HTTP/1.1 302 Found\r\n\r\n", (False, "302: /-/ready?x=1")),
        (b"SSH-2.0-x\r\n", (False, "no HTTP answer: /-/ready?x=1")),
        (b"", (False, "no HTTP answer: /-/ready?x=1")),
        (
            b"HTTP/1.1 ok\r\n",
            (False, "invalid literal for int() with base 10: b'ok': /-/ready?x=1"),
        ),
        (
            b"x" * 100_000,
            (False, "Separator is not found, and chunk exceed the limit: /-/ready?x=1"),
        ),
    ],
)
async def test_an_answer_is_ready_only_when_it_is_2xx(answer, expected):
    async with serving() as server:
        server.answer = answer
        target = Target.of(f"http://127.0.0.1:{server.port}/-/ready?x=1")
        assert await look(target, 10.0) == expected
        assert server.asked[0].startswith(b"GET /-/ready?x=1 HTTP/1.0\r\nHost: 127.0.0.1:")


async def test_silence_is_no_answer():
    async with serving() as server:
        server.answer = None
        target = Target.of(f"http://127.0.0.1:{server.port}/")
        assert await look(target, 0.05) == (False, "no answer in 0.05 s: /")


async def test_nobody_there_is_no_answer(free_port):
    is_ok, detail = await look(Target.of(f"http://127.0.0.1:{free_port}/"), 10.0)
    assert not is_ok
    assert detail.endswith(": /")


def test_a_name_is_resolved_once():
    assert Target.of("http://localhost:1/").address in ("127.0.0.1", "::1")


async def test_an_http_watch_tells_readiness_loss_and_death_apart():
    async with serving() as server, asyncio.TaskGroup() as tasks:
        server.answer = b"HTTP/1.1 503\r\n"
        url = f"http://127.0.0.1:{server.port}/"
        ear = Ear()
        rhythm = Rhythm(0.001, 0.01, 5.0, 3, 2, 0.05, 5.0, 4)
        watch = ProbeWatch(tasks.create_task, asker(), HttpProbe(url, url), rhythm, ear)
        assert [await ear.look() for _ in range(3)] == [(False, "503: /")] * 3
        assert ear.heard.empty()
        server.answer = b"HTTP/1.1 200\r\n"
        assert await ear.next() == "ready"
        server.answer = b"HTTP/1.1 503\r\n"
        heard = [await ear.next(), await ear.next()]
        assert heard == [Verdict.UNWELL, Verdict.DEAD]
        watch.stop()


async def test_a_program_without_a_live_url_is_never_called_dead():
    async with serving() as server, asyncio.TaskGroup() as tasks:
        server.answer = b"HTTP/1.1 200\r\n"
        url = f"http://127.0.0.1:{server.port}/"
        ear = Ear()
        rhythm = Rhythm(0.001, 0.01, 5.0, 3, 2, 0.01, 5.0, 1)
        watch = ProbeWatch(tasks.create_task, asker(), HttpProbe(url, ""), rhythm, ear)
        assert await ear.next() == "ready"
        server.answer = b"HTTP/1.1 503\r\n"
        assert await ear.next() == Verdict.UNWELL
        await asyncio.sleep(0.1)
        assert ear.heard.empty()
        watch.stop()


@asynccontextmanager
async def notifying(rhythm: Rhythm) -> AsyncIterator[tuple[int, Ear]]:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    ear = Ear()
    watch = NotifyWatch(asyncio.get_running_loop(), read_end, rhythm, ear)
    try:
        yield write_end, ear
    finally:
        watch.stop()
        os.close(read_end)
        os.close(write_end)


async def test_words_are_heard_however_they_are_cut():
    async with notifying(Rhythm()) as (pipe, ear):
        for piece in (b"STA", b"TUS=two wor", b"ds\nREADY", b"=1\nNONSENSE\nWATCHDOG=1\n"):
            os.write(pipe, piece)
            await asyncio.sleep(0)
        assert await ear.next() == "two words"
        assert await ear.next() == "ready"
        assert [await ear.look() for _ in range(2)] == [(True, "ready"), (True, "watchdog")]


async def test_silence_after_ready_is_unwell_then_death():
    async with notifying(Rhythm(0.01, 0.02, 1.0, 3, 2, 0.1, 1.0, 3)) as (pipe, ear):
        os.write(pipe, b"READY=1\n")
        heard = [await ear.next() for _ in range(3)]
        assert heard == ["ready", Verdict.UNWELL, Verdict.DEAD]


async def test_a_sign_after_silence_is_well_again():
    async with notifying(Rhythm(0.01, 0.02, 1.0, 3, 2, 600.0, 1.0, 3)) as (pipe, ear):
        os.write(pipe, b"READY=1\n")
        assert [await ear.next(), await ear.next()] == ["ready", Verdict.UNWELL]
        os.write(pipe, b"WATCHDOG=1\n")
        assert await ear.next() == Verdict.WELL


async def test_silence_before_ready_is_for_the_start_timeout_to_judge():
    async with notifying(Rhythm(0.001, 0.001, 1.0, 3, 2, 0.001, 1.0, 3)) as (_, ear):
        await asyncio.sleep(0.05)
        assert ear.heard.empty()


@pytest.mark.parametrize(("asleep_s", "proves"), [(0.0, True), (1.0, False)])
async def test_a_bad_answer_after_a_sleep_of_our_own_proves_nothing(free_port, asleep_s, proves):
    watch = object.__new__(ProbeWatch)
    # As if the whole process had been stopped while it waited.
    asyncio.get_running_loop().call_later(0, time.sleep, asleep_s)
    target = Target.of(f"http://127.0.0.1:{free_port}/")
    answer = await watch._paced(functools.partial(look, target), 0.1, 0.5)
    assert (answer is not None and not answer[0]) is proves


@pytest.mark.parametrize(
    ("headers", "is_ok"),
    [
        (b"X-Ollamon-Run: 7f3a\r\n", True),
        (b"Date: now\r\nx-ollamon-run:7f3a\r\n", True),
        (b"X-Ollamon-Run: another\r\n", False),
        (b"", False),
        (b"".join(b"X-%d: 1\r\n" % number for number in range(200)), False),
    ],
    ids=["ours", "among others", "another run", "a stranger", "endless"],
)
@pytest.mark.fault(18)
async def test_an_answer_has_to_prove_that_it_comes_from_this_run(headers, is_ok):
    async with serving() as server:
        server.answer = b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n"
        url = f"http://127.0.0.1:{server.port}/"
        ready, live = asker().questions(HttpProbe(url, url, proves_run=True))
        expected = (True, "200: /") if is_ok else (False, "somebody else answers: /")
        assert live is not None
        assert (await ready(10.0), await live(10.0)) == (expected, expected)


async def test_a_connection_is_enough_for_a_tcp_probe(free_port):
    ready, live = asker().questions(TcpProbe("127.0.0.1", free_port))
    is_ok, detail = await ready(10.0)
    assert (is_ok, detail.endswith(f": 127.0.0.1:{free_port}")) == (False, True)
    async with serving() as server:
        ready, live = asker().questions(TcpProbe("localhost", server.port, shows_life=False))
        assert await ready(10.0) == (True, f"accepts: localhost:{server.port}")
        assert live is None


@pytest.mark.parametrize(
    ("argv", "limit_s", "expected"),
    [
        (("/bin/true",), 20.0, (True, "exit 0: /bin/true")),
        (("/bin/false",), 20.0, (False, "exit 1: /bin/false")),
        (("/bin/sh", "-c", "kill -9 $$"), 20.0, (False, "signal 9: /bin/sh")),
        (("/bin/sleep", "600"), 0.05, (False, "no end in 0.05 s: /bin/sleep")),
        (("/nowhere",), 20.0, (False, "No such file or directory: /nowhere")),
    ],
    ids=["true", "false", "killed", "endless", "missing"],
)
async def test_a_command_says_by_its_exit_how_a_program_is(argv, limit_s, expected):
    loop = asyncio.get_running_loop()
    reaper = Reaper(loop)
    reaper.start()
    try:
        ready, _ = Asker(loop, reaper, "run-of-this-test").questions(ExecProbe(argv))
        assert await ready(limit_s) == expected
    finally:
        # What was given up is collected too.
        reaper.stop()
        collect(reaper)
