"""The log of requests: in the file, and in memory for as long as the file cannot be used."""

import contextlib
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ollamon.dashboard.history import requests
from ollamon.dashboard.history.file import HistoryFile
from ollamon.dashboard.history.requests import Wanted
from ollamon.errors import HistoryError
from ollamon.metrics.requests import RequestRecord

TRIM_EVERY_S = 60.0
IN_MEMORY = 10_000
"""Rows that are kept where no file can be written."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept: seconds, and rows."""

    age_s: float
    rows: int


class RequestLog:
    """All of it is for one thread; calls may block for as long as a disk does."""

    def __init__(self, file: HistoryFile, retention: Retention) -> None:
        self._file = file
        self._retention = retention
        self._memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        requests.create(self._memory)
        self._trimmed_at = -math.inf

    def add(self, records: Sequence[RequestRecord], now: float) -> None:
        """Keep records, and what had to stay in memory before; forget what is too old or too much.

        Args:
            now: Unix time.
        """
        waiting = requests.select(self._memory, Wanted(IN_MEMORY))
        is_due = abs(now - self._trimmed_at) >= TRIM_EVERY_S

        def keep(connection: sqlite3.Connection) -> None:
            requests.insert(connection, (*waiting, *records))
            if is_due:
                self._trim(connection, now, self._retention.rows)

        try:
            self._file.write(keep)
        except HistoryError:
            requests.insert(self._memory, records)
            self._trim(self._memory, now, min(IN_MEMORY, self._retention.rows))
            return
        if is_due:
            self._trimmed_at = now
        if waiting:
            self._memory.execute("DELETE FROM requests")

    def settle(self, records: Sequence[RequestRecord]) -> None:
        """Write the energy of records that are kept already; without a file it is forgotten."""
        requests.settle(self._memory, records)
        with contextlib.suppress(HistoryError):
            self._file.write(lambda connection: requests.settle(connection, records))

    def select(self, wanted: Wanted) -> list[RequestRecord]:
        """Return the rows that are wanted, the newest first."""
        found = requests.select(self._memory, wanted)
        with contextlib.suppress(HistoryError):
            found += self._file.read(lambda connection: requests.select(connection, wanted))
        return sorted(found, key=lambda record: -record.seq)[: wanted.limit]

    def last_seq(self) -> int:
        """Return the highest number, 0 when there is no row."""
        kept = [requests.last_seq(self._memory)]
        with contextlib.suppress(HistoryError):
            kept.append(self._file.read(requests.last_seq))
        return max(kept)

    def _trim(self, connection: sqlite3.Connection, now: float, rows: int) -> None:
        requests.trim(connection, oldest=now - self._retention.age_s, rows=rows)
