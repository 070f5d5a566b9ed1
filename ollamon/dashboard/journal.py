"""Takes from the proxy what ended and what runs: rows into the log, both to the pages.

It asks by number, so that nothing is taken twice and nothing is missed while this process was
away; what the proxy had to forget in the meantime is counted and said.
"""

import json
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from ollamon.access import TOKEN_FIELD
from ollamon.dashboard.history.file import InThread
from ollamon.dashboard.history.log import RequestLog
from ollamon.dashboard.history.requests import Wanted
from ollamon.dashboard.sources import fetch
from ollamon.errors import SourceError
from ollamon.metrics.requests import RequestRecord, record_of

BUSY_S = 1.0
IDLE_S = 2.0
PAGE_ROWS = 100
"""Rows that pages are told of at once; they show no more."""
SETTLE_EVERY_S = 5.0
SETTLED_S = 30.0
"""The energy of a request is known at the helper's next reading, or never."""
# As many as the proxy gives at once; at full speed it is asked again without a pause.
_BATCH = 1000
_MAX_RUNNING = 200

Json = dict[str, Any]

_log = logging.getLogger(__name__)


class Journal:
    """One for the process; `run` it once.

    Args:
        metrics_url: The proxy's admin server.
        log: Where rows are kept; touched through `in_thread` alone.
        has_energy: A helper runs, which tells what requests drew, after they ended.
        clock: Unix seconds.
    """

    def __init__(
        self,
        metrics_url: str,
        log: RequestLog,
        *,
        in_thread: InThread,
        has_energy: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = f"{metrics_url.rstrip('/')}/api/requests"
        self._log = log
        self._in_thread = in_thread
        self._clock = clock
        self._session = fetch.new_session()
        self._stopped = threading.Event()
        self._has_energy = has_energy
        self._since: int | None = None
        self._unsettled: deque[RequestRecord] = deque(maxlen=_BATCH)
        self._settled_at = -math.inf
        self.running: list[Json] = []
        """Requests in flight, as the proxy told last."""

    def run(self, emit: Callable[[str, object], object]) -> None:
        """Take and tell until `stop`."""
        while not self._stopped.is_set():
            had_running = bool(self.running)
            rows = [*self.settle(), *self.take()]
            if rows or self.running or had_running:
                emit("requests", self._told(rows))
            self._stopped.wait(BUSY_S if rows or self.running else IDLE_S)

    def stop(self) -> None:
        """Let `run` return."""
        self._stopped.set()

    def take(self) -> list[RequestRecord]:
        """Take all that the proxy has and we have not; return the newest of it."""
        taken: list[RequestRecord] = []
        try:
            while True:
                document = self._ask()
                records = _records(document)
                self._running_are(document)
                if records:
                    self._in_thread(partial(self._log.add, records, self._clock()))
                    self._since = records[-1].seq
                    self._unsettled += [each for each in records if each.joules is None]
                    taken = [*taken, *records][-PAGE_ROWS:]
                if len(records) < _BATCH:
                    return taken
        except SourceError as error:
            _log.debug("%s", error)
            self.running = []
            return taken

    def settle(self) -> list[RequestRecord]:
        """Ask again for rows whose energy was not known; return those of which it is."""
        now = self._clock()
        waiting = self._unsettled
        if not (self._has_energy and waiting) or abs(now - self._settled_at) < SETTLE_EVERY_S:
            return []
        self._settled_at = now
        seqs = {row.seq for row in waiting}
        try:
            records = _records(self._fetch(waiting[0].seq - 1))
        except SourceError as error:
            _log.debug("%s", error)
            return []
        found = [row for row in records if row.seq in seqs and row.joules is not None]
        if found:
            self._in_thread(partial(self._log.settle, found))
        known = {row.seq for row in found}
        young = [row for row in waiting if abs(now - row.ended_at) < SETTLED_S]
        self._unsettled = deque((row for row in young if row.seq not in known), maxlen=_BATCH)
        return found[-PAGE_ROWS:]

    def page(self, wanted: Wanted) -> list[RequestRecord]:
        """Return rows that are kept, the newest first."""
        found: list[RequestRecord] = self._in_thread(lambda: self._log.select(wanted))
        return found

    def cancel(self, request_id: int, token: str) -> tuple[int, bytes]:
        """Let the proxy end a request that runs; return its status and its JSON.

        Raises:
            SourceError: The proxy does not answer.
        """
        fields = {TOKEN_FIELD: token}
        return fetch.post(self._session, f"{self._url}/{request_id}/cancel", fields)

    def _told(self, rows: list[RequestRecord]) -> Json:
        return {
            "v": 1,
            "t": round(self._clock(), 3),
            "requests": [row._asdict() for row in reversed(rows)],
            "in_flight": self.running,
        }

    def _ask(self) -> Json:
        """Ask for what is after the last row that is kept.

        Raises:
            SourceError: No answer, or none of a proxy.
        """
        if self._since is None:
            self._since = int(self._in_thread(self._log.last_seq))
        document = self._fetch(self._since)
        if document["last"] < self._since:
            # The clock was set back before the proxy started: its numbers lie below ours.
            self._since = 0
            document = self._fetch(0)
        missed = document["first"] - self._since - 1
        if missed > 0 and self._since >= document["start"]:
            _log.warning("%d requests ended and were forgotten by the proxy meanwhile", missed)
        return document

    def _fetch(self, since: int) -> Json:
        url = f"{self._url}?since={since}&limit={_BATCH}"
        status, body = fetch.get(self._session, url)
        try:
            document = json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            document = None
        match document:
            case {
                "start": int(),
                "first": int(),
                "last": int(),
                "requests": list(),
                "in_flight": list(),
            } if status == 200:
                return dict(document)
            case _:
                raise SourceError(f"cannot read {url}: status {status}, no list of requests")

    def _running_are(self, document: Json) -> None:
        running = [each for each in document["in_flight"] if isinstance(each, dict)]
        self.running = running[:_MAX_RUNNING]


def _records(document: Json) -> list[RequestRecord]:
    found = []
    for row in document["requests"]:
        try:
            found.append(record_of(row))
        except ValueError as error:
            raise SourceError(f"cannot read the proxy's requests: {error}") from None
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
