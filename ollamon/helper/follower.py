"""A source that streams: one long-running program, its documents, its watchdog and its back-off.

It publishes what `collector.Watch` publishes. A program that ends, hangs or talks nonsense is a
state that can be read; values are what its last good document said.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from typing import Protocol

from ollamon.helper import collector
from ollamon.helper.collector import (
    FailedError,
    Memory,
    UnavailableError,
    View,
)
from ollamon.helper.found import Found
from ollamon.helper.process import Process
from ollamon.readings import Source, State

# How fast a request to stop is heard.
_TICK_S = 0.25
_MARGIN_S = 5.0
# One that ends as planned is started anew at once, but never in a tight loop.
_SHORTEST_LIFE_S = 10.0
_STANDBY_S = 10.0


class Reader(Protocol):
    """Makes values of one program's output."""

    def feed(self, data: bytes) -> Iterable[Found | ValueError]:
        """Take a piece; return what each document in it said, in order."""
        ...

    def finish(self) -> Iterable[Found | ValueError]:
        """The stream ended."""
        ...


class Program(Protocol):
    """What to run, and what its output and its complaints mean."""

    @property
    def source(self) -> Source:
        """The source's name."""
        ...

    @property
    def interval_s(self) -> float:
        """Seconds between two documents."""
        ...

    @property
    def is_privileged(self) -> bool:
        """It runs below sudo, so that it must not be killed."""
        ...

    def argv(self) -> Sequence[str]:
        """Return the words to run now. Raises UnavailableError: this system lacks it."""
        ...

    def reader(self) -> Reader:
        """Return a fresh reader for what `argv` prints."""
        ...

    def judge(self, complaint: str) -> Exception | None:
        """It ended before its first document: return why, or None: other words may help."""
        ...


class _End(Enum):
    """How a run came to its end."""

    LEFT = auto()
    HUNG = auto()
    STOPPED = auto()


class Follower:
    """Runs a program until stopped, and knows what it said last.

    Args:
        program: What to run.
        clock: Monotonic seconds.
        stands_in_for: It runs only while this one does not work.
    """

    def __init__(
        self,
        program: Program,
        clock: Callable[[], float] = time.monotonic,
        stands_in_for: "Follower | None" = None,
    ) -> None:
        self._program = program
        self._clock = clock
        self._other = stands_in_for
        self._memory = Memory()
        self._thread: threading.Thread | None = None

    def view(self) -> View:
        """What is known now. Reads nothing."""
        now = self._clock()
        return collector.view(self._program.source, self._memory, now, self._program.interval_s)

    def start(self, stop: threading.Event) -> None:
        """Follow in a thread of its own until `stop`."""
        name = f"follow-{self._program.source}"
        self._thread = threading.Thread(target=self._follow, args=(stop,), name=name, daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait until the program has been ended, after `stop`."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _follow(self, stop: threading.Event) -> None:
        wait_s = 0.0
        while not stop.wait(wait_s):
            wait_s = self._wait_for_need() or self.turn(stop)

    def _wait_for_need(self) -> float:
        """Return the seconds for which it is not needed, and say so."""
        if self._other is None or self._other.view().state.state not in (State.OK, State.STARTING):
            return 0.0
        self._fail(UnavailableError("not needed, another source knows its values"))
        return _STANDBY_S

    def turn(self, stop: threading.Event) -> float:
        """Run it once, to its end; return the seconds until it shall run again."""
        began = self._clock()
        before = self._memory.state.samples
        try:
            process = Process(self._program.argv())
        except (FileNotFoundError, NotADirectoryError):
            return self._fail(UnavailableError("its program is not installed"))
        except (UnavailableError, OSError) as error:
            return self._fail(error)
        try:
            end = self._read(process, self._program.reader(), stop)
        finally:
            code = process.end(may_kill=not self._program.is_privileged)
        if end is _End.STOPPED:
            return 0.0
        if self._memory.state.samples == before and end is _End.LEFT:
            why = self._program.judge(process.complaint)
            return 0.0 if why is None else self._fail(why)
        if end is _End.LEFT and code == 0:
            return 0.0 if self._clock() - began >= _SHORTEST_LIFE_S else 1.0
        return self._fail(_reason(end, code))

    def _read(self, process: Process, reader: Reader, stop: threading.Event) -> _End:
        """Take what comes until the end, the silence, or the stop."""
        patience_s = collector.FRESH_INTERVALS * self._program.interval_s + _MARGIN_S
        heard = self._clock()
        while not stop.is_set():
            piece = process.read(_TICK_S)
            if piece is None:
                self._take(reader.finish())
                return _End.LEFT
            if self._take(reader.feed(piece)):
                heard = self._clock()
            elif self._clock() - heard > patience_s:
                return _End.HUNG
        return _End.STOPPED

    def _take(self, documents: Iterable[Found | ValueError]) -> bool:
        """Remember what documents said; return whether one was good."""
        is_good = False
        for document in documents:
            if isinstance(document, ValueError):
                self._memory = collector.after_nonsense(self._memory)
            else:
                now = self._clock()
                self._memory = collector.after_success(self._memory, document, now, 0.0, 1.0)
                is_good = True
        return is_good

    def _fail(self, error: Exception) -> float:
        before, self._memory = self._memory, collector.after_failure(self._memory, error)
        state = self._memory.state
        is_told = state.state in (State.FAILED, State.PERMISSION_DENIED)
        if is_told and before.state.detail != state.detail:
            sys.stderr.write(f"{self._program.source}: {state.detail}\n")
        return collector.wait_s(self._memory, self._program.interval_s)


def _reason(end: _End, code: int | None) -> Exception:
    if end is _End.HUNG:
        return FailedError("its program went silent and was ended")
    return FailedError(f"its program ended with code {code}")
