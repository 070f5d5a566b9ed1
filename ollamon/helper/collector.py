"""The contract of a source, and what is remembered about it: state, values, next look.

`Memory` and `after_*` decide, without I/O; a `Watch` runs a collector and remembers. A failing
source is a state that can be read, never an exception that ends something.
"""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from ollamon.helper.found import Found, plausible
from ollamon.readings import Source, SourceState, State

FRESH_INTERVALS = 3
LONGEST_BACKOFF_S = 60.0
UNAVAILABLE_S = 60.0
DENIED_S = 300.0


class UnavailableError(Exception):
    """This system does not have the source; the text says what is missing."""


class DeniedError(Exception):
    """The source is there, and we may not read it; the text says what would repair it."""


class FailedError(Exception):
    """The source does not answer now; the text says why."""


class Collector(Protocol):
    """Reads one source."""

    @property
    def source(self) -> Source:
        """Its name."""
        ...

    @property
    def least_interval_s(self) -> float:
        """It is not asked more often than this."""
        ...

    def collect(self, now: float) -> Found:
        """Read and parse once; `now` is monotonic seconds.

        Raises:
            UnavailableError, DeniedError, FailedError, OSError: No values, and why.
            ValueError: What was read makes no sense.
        """
        ...


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known about one source.

    Attributes:
        state: As published.
        found: The last values, None before the first.
        found_at: Monotonic seconds of the last values.
        failures: Failures since the last success; the back-off grows with them.
    """

    state: SourceState = field(default_factory=SourceState)
    found: Found | None = None
    found_at: float = 0.0
    failures: int = 0


def after_success(memory: Memory, found: Found, now: float, took_s: float, slow_s: float) -> Memory:
    """A read succeeded; values out of range are dropped and counted."""
    checked, dropped = plausible(found)
    slow = f"the last read took {took_s:.1f} s" if took_s > slow_s else None
    state = replace(
        memory.state,
        state=State.OK,
        detail=slow,
        samples=memory.state.samples + 1,
        parse_errors=memory.state.parse_errors + dropped,
        restarts=memory.state.restarts + (memory.failures > 0 and memory.found is not None),
    )
    return Memory(state, checked, now)


def after_nonsense(memory: Memory) -> Memory:
    """One document among good ones made no sense; it is counted, and the values stay."""
    state = replace(memory.state, parse_errors=memory.state.parse_errors + 1)
    return replace(memory, state=state)


def after_failure(memory: Memory, error: Exception) -> Memory:
    """A read failed. Old values stay until they are stale, unless the source is gone."""
    match error:
        case UnavailableError():
            return Memory(replace(memory.state, state=State.UNAVAILABLE, detail=str(error)))
        case DeniedError():
            return Memory(replace(memory.state, state=State.PERMISSION_DENIED, detail=str(error)))
        case _:
            made_no_sense = isinstance(error, ValueError)
            state = replace(
                memory.state,
                state=State.FAILED,
                detail=_sentence(error),
                parse_errors=memory.state.parse_errors + made_no_sense,
            )
            return replace(memory, state=state, failures=memory.failures + 1)


def _sentence(error: Exception) -> str:
    if isinstance(error, FailedError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot read it: {error.strerror or type(error).__name__}"
    # The text of a foreign exception may hold anything, so only its kind is told.
    return f"cannot read it: {type(error).__name__}"


def wait_s(memory: Memory, interval_s: float) -> float:
    """Return the seconds until the next read."""
    match memory.state.state:
        case State.UNAVAILABLE:
            return UNAVAILABLE_S
        case State.PERMISSION_DENIED:
            return DENIED_S
        case State.FAILED:
            return min(2.0 ** min(memory.failures - 1, 10), LONGEST_BACKOFF_S)
        case _ if memory.state.samples == 1:
            # Power needs two samples; nobody should wait a whole interval for the first.
            return min(1.0, interval_s)
        case _:
            return interval_s


@dataclass(frozen=True, slots=True)
class View:
    """What is published of one source now; `found` is None when its values are too old."""

    source: Source
    state: SourceState
    found: Found | None


def view(source: Source, memory: Memory, now: float, interval_s: float) -> View:
    """Look at a memory as it is now: values older than 3 intervals are stale."""
    if memory.found is None:
        return View(source, memory.state, None)
    age = max(0.0, now - memory.found_at)
    state = replace(memory.state, age_seconds=age)
    if age <= FRESH_INTERVALS * interval_s:
        return View(source, state, memory.found)
    if state.state is State.OK:
        state = replace(state, state=State.STALE, detail="the last read has not come back")
    return View(source, state, None)


class Watch:
    """Runs one collector again and again.

    Args:
        collector: The source.
        interval_s: Seconds between two reads.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        collector: Collector,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collector = collector
        self._interval_s = max(interval_s, collector.least_interval_s)
        self._clock = clock
        # Replaced as a whole and read once: needs no lock.
        self._memory = Memory()

    def turn(self) -> float:
        """Read once, remember, and return the seconds until the next read."""
        started = self._clock()
        try:
            found = self._collector.collect(started)
        except Exception as error:  # noqa: BLE001 - a vendor library may raise anything
            self._remember_failure(error)
        else:
            now = self._clock()
            self._memory = after_success(self._memory, found, now, now - started, self._interval_s)
        return wait_s(self._memory, self._interval_s)

    def _remember_failure(self, error: Exception) -> None:
        before, self._memory = self._memory, after_failure(self._memory, error)
        state = self._memory.state
        if state.state is State.FAILED and before.state.detail != state.detail:
            sys.stderr.write(f"{self._collector.source}: {state.detail}\n")

    def view(self) -> View:
        """What is known now. Reads nothing."""
        return view(self._collector.source, self._memory, self._clock(), self._interval_s)

    def start(self, stop: threading.Event) -> None:
        """Take turns in a thread of its own until `stop`, so that a hanging driver hangs alone."""

        def run() -> None:
            wait = self.turn()
            while not stop.wait(wait):
                wait = self.turn()

        threading.Thread(target=run, name=f"watch-{self._collector.source}", daemon=True).start()
