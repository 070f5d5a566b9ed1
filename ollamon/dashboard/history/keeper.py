"""Keeps what was scraped for months: takes samples, writes steps once a minute, replays them.

Where no file can be written it goes on in memory, for as long as raw samples are kept too.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from ollamon.dashboard.history import tiers
from ollamon.dashboard.history.file import HistoryFile, InThread
from ollamon.dashboard.history.replay import Replay, grid
from ollamon.dashboard.history.steps import STEP_S, Accumulator, Step
from ollamon.dashboard.sources.source import History, Span
from ollamon.errors import HistoryError
from ollamon.metrics.panels import Panel
from ollamon.metrics.rewriting import widened
from ollamon.metrics.series import KEEP_S, Sample

EVERY_S = 60.0
MOST_WAITING = int(KEEP_S / STEP_S)

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Keeper:
    """One for the process; `take` and `history` from any greenlet, `run` once.

    Args:
        file: Touched through `in_thread` alone.
        in_thread: Runs a call that blocks, where it holds up nobody.
        panels: What is replayed.
        max_bytes: Of the file; the oldest steps go first.
        clock: Unix seconds.
    """

    def __init__(
        self,
        file: HistoryFile,
        panels: tuple[Panel, ...],
        *,
        max_bytes: int,
        in_thread: InThread,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._panels = panels
        self._max_bytes = max_bytes
        self._in_thread = in_thread
        self._clock = clock
        self._stopped = threading.Event()
        self._accumulator: Accumulator | None = None
        self._waiting: list[Step] = []
        self._numbers: tiers.Numbers | None = None

    def take(self, t: float, samples: Iterable[Sample]) -> None:
        """Take a scrape that worked."""
        if self._accumulator is None:
            self._accumulator = Accumulator(*self._in_thread(self._counters))
        self._accumulator.take(t, samples)

    def run(self, _: Callable[[str, object], object]) -> None:
        """Write until `stop`; pages are told nothing of it."""
        while not self._stopped.wait(EVERY_S):
            self.flush()

    def stop(self) -> None:
        """Let `run` return, and write what is left."""
        self._stopped.set()
        if self._accumulator is not None:
            self._waiting += self._accumulator.finish()
        self.flush()

    def flush(self) -> None:
        """Write the steps that are over; what cannot be written waits."""
        if self._accumulator is None:
            return
        self._waiting += self._accumulator.finished()
        writing, counters = list(self._waiting), self._accumulator.counters
        if not writing:
            return
        try:
            self._in_thread(lambda: self._write(writing, *counters))
        except HistoryError as error:
            _log.debug("%s", error)
            del self._waiting[:-MOST_WAITING]
        else:
            del self._waiting[: len(writing)]

    def history(self, span: Span) -> History:
        """Return every panel over a span, at multiples of its step; what is not kept is absent."""
        recent = [*self._waiting, *(self._accumulator.pending if self._accumulator else ())]
        return self._in_thread(lambda: self._evaluated(span, recent))  # type: ignore[no-any-return]

    def _counters(self) -> tuple[dict[Any, float], float]:
        try:
            return self._read(lambda numbers: tiers.saved_counters(numbers))
        except HistoryError:
            return {}, 0.0

    def _write(self, steps: Sequence[Step], counters: dict[Any, float], seen_at: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            numbers = self._of(connection)
            tiers.write(numbers, steps)
            tiers.save_counters(numbers, counters, seen_at)
            tiers.trim(connection, self._clock(), self._max_bytes)

        try:
            self._file.write(work)
        except HistoryError:
            # What was numbered in it was not kept.
            self._numbers = None
            raise

    def _read(self, work: Callable[[tiers.Numbers], Result]) -> Result:
        return self._file.read(lambda connection: work(self._of(connection)))

    def _of(self, connection: sqlite3.Connection) -> tiers.Numbers:
        if self._numbers is None or self._numbers.connection is not connection:
            self._numbers = tiers.Numbers.of(connection)
        return self._numbers

    def _evaluated(self, span: Span, recent: list[Step]) -> History:
        step = round(span.step_s)
        tier = tiers.tier_for(step, self._clock() - (span.end - span.seconds))
        times = grid(span.end, span.seconds, max(step, tier))
        replay = Replay(self._kept(tier, times, recent), tier)
        found: dict[str, dict[Any, list[float]]] = {}
        for panel in self._panels:
            expression = widened(panel.expression, times.step)
            columns = found[panel.id] = {}
            for place, t in enumerate(times):
                for labels, value in expression.eval(replay, t).items():
                    columns.setdefault(labels, [float("nan")] * len(times))[place] = value
        return History(list(times), times.step, found)

    def _kept(self, tier: int, times: range, recent: list[Step]) -> list[Step]:
        start, end = times.start - times.step, times.stop
        try:
            return self._read(lambda numbers: tiers.read(numbers, tier, start, end, recent))
        except HistoryError:
            return tiers.rolled(recent, tier)
