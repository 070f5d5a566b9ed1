"""Looks at a child: listens to one that reports by itself, asks one that does not."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from ollamon.supervisor.looks import Asker, Question
from ollamon.supervisor.spec import Probe, Rhythm
from ollamon.supervisor.vitals import Verdict, Vitals, verdict_of_silence

GROWTH = 1.3


class Listener(Protocol):
    """Who wants to know how a child fares."""

    def became_ready(self) -> None:
        """It may be used."""

    def judged(self, verdict: Verdict, detail: str) -> None:
        """Several looks agree."""

    def looked(self, is_ok: bool, detail: str) -> None:
        """One look, for `status`."""

    def said(self, text: str) -> None:
        """Its own words."""

    def saw(self, text: str) -> None:
        """Its words about something that is not ours."""


class Watch(Protocol):
    """Something that looks at one child until it is told not to."""

    def stop(self) -> None:
        """Look no longer."""


class NotifyWatch:
    """Reads READY=1, STATUS=..., EXTERNAL=... and WATCHDOG=1 from the pipe of one child."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        descriptor: int,
        rhythm: Rhythm,
        listener: Listener,
    ) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._rhythm = rhythm
        self._listener = listener
        self._rest = b""
        self._last_sign: float | None = None
        self._is_well = True
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        loop.add_reader(descriptor, self._read)

    def stop(self) -> None:
        """Look no longer; the pipe stays open."""
        self._loop.remove_reader(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 64 * 1024)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._descriptor)
        *lines, self._rest = (self._rest + data).split(b"\n")
        # A line without an end is cut, so that a mad child costs no memory.
        self._rest = self._rest[:4096]
        for line in lines:
            self._hear(line.decode(errors="replace"))

    def _hear(self, line: str) -> None:
        word, _, value = line.partition("=")
        if word == "STATUS":
            self._listener.said(value[:200])
        elif word == "EXTERNAL":
            self._listener.saw(value[:200])
        elif line == "READY=1":
            self._sign("ready")
            self._listener.became_ready()
            self._schedule()
        elif line == "WATCHDOG=1":
            self._sign("watchdog")

    def _sign(self, detail: str) -> None:
        self._last_sign = self._loop.time()
        self._listener.looked(True, detail)
        self._judge()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._loop.time() + self._rhythm.interval_s
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        if self._loop.time() - self._due > 2 * self._rhythm.interval_s:
            # We were stopped ourselves: that silence was ours.
            self._last_sign = self._loop.time()
        self._schedule()
        self._judge()

    def _judge(self) -> None:
        if self._last_sign is None:
            return
        age_s = self._loop.time() - self._last_sign
        verdict = verdict_of_silence(age_s, self._rhythm, is_well=self._is_well)
        if verdict is None:
            return
        self._is_well = verdict is Verdict.WELL
        detail = f"no sign of life for {age_s:.0f} s"
        if not self._is_well:
            self._listener.looked(False, detail)
        self._listener.judged(verdict, detail)


class ProbeWatch:
    """Asks a program: until it is ready, and from then on for readiness and liveness."""

    def __init__(
        self,
        start: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
        asker: Asker,
        probe: Probe,
        rhythm: Rhythm,
        listener: Listener,
    ) -> None:
        self._asker = asker
        self._probe = probe
        self._rhythm = rhythm
        self._listener = listener
        self._vitals = Vitals(rhythm)
        self._task = start(self._watch())

    def stop(self) -> None:
        """Look no longer."""
        self._task.cancel()

    async def _watch(self) -> None:
        try:
            ready, live = self._asker.questions(self._probe)
        except (OSError, ValueError) as error:
            self._listener.looked(False, f"cannot ask: {error}")
            return
        await self._until_ready(ready)
        self._listener.became_ready()
        async with asyncio.TaskGroup() as looks:
            looks.create_task(self._look_on(ready))
            if live is not None:
                looks.create_task(self._live_on(live))

    async def _until_ready(self, question: Question) -> None:
        pause_s = self._rhythm.start_interval_s
        while True:
            is_ok, detail = await question(min(1.0, self._rhythm.timeout_s))
            self._listener.looked(is_ok, detail)
            if is_ok:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * GROWTH, self._rhythm.start_interval_s * 10)

    async def _look_on(self, question: Question) -> None:
        while True:
            answer = await self._paced(question, self._rhythm.interval_s, self._rhythm.timeout_s)
            if answer is not None:
                is_ok, detail = answer
                self._listener.looked(is_ok, detail)
                self._vitals, verdict = self._vitals.looked(is_ok)
                if verdict is not None:
                    self._listener.judged(verdict, detail)

    async def _live_on(self, question: Question) -> None:
        rhythm = self._rhythm
        while True:
            answer = await self._paced(question, rhythm.live_interval_s, rhythm.live_timeout_s)
            if answer is not None:
                self._vitals, verdict = self._vitals.lived(answer[0])
                if verdict is not None:
                    self._listener.judged(verdict, f"not alive: {answer[1]}")
                    return

    async def _paced(
        self, question: Question, interval_s: float, timeout_s: float
    ) -> tuple[bool, str] | None:
        """Wait, then look; None when we were stopped ourselves meanwhile and it proves nothing."""
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(interval_s)
        answer = await question(timeout_s)
        took_s = asyncio.get_running_loop().time() - began
        return answer if answer[0] or took_s < 3 * interval_s + timeout_s else None
