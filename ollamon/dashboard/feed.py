"""The one loop: read the sources, build the tick, keep it, send it to all.

Samples of our own are always taken, so that a Prometheus that stops answering costs no tick: the
page goes on with them, says so, and returns by itself.
"""

import gzip
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ollamon.dashboard import status, view
from ollamon.dashboard.sources.helper import HelperSeen
from ollamon.dashboard.sources.source import RANGES_S, History, Reading, Source, Span
from ollamon.dashboard.status import Facts, HelperState, Status, Upstream
from ollamon.errors import SourceError
from ollamon.metrics import catalog
from ollamon.metrics.expressions import Expression, Sum, Value
from ollamon.metrics.series import SeriesStore

BLIND_AFTER_S = 30.0
# What sends to pages is not made for less.
_SHORTEST_S = 0.1
_REQUESTS = Sum(Value(catalog.REQUESTS_ACCEPTED))
_OLLAMA_UP = Sum(Value(catalog.OLLAMA_UP))
_GPUS = Sum(Value(catalog.GPU_INFO))

_log = logging.getLogger(__name__)


class Own(Source, Protocol):
    """Our own samples, and what the proxy says besides."""

    store: SeriesStore

    def upstream(self) -> tuple[str, str]:
        """What the proxy found upstream, and why."""
        ...


class HelperProbe(Protocol):
    """Asks the helper."""

    def look(self) -> HelperSeen:
        """Ask once."""
        ...


class Kept(Protocol):
    """How the file of the history fares; both are "" when all is well."""

    error: str
    moved: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the feed reads; None is not configured."""

    own: Own
    prometheus: Source | None = None
    helper: HelperProbe | None = None
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the configuration says.

    Attributes:
        proxy_address: Where clients connect, host:port.
        upstream_url: The server behind the proxy.
    """

    interval_s: float
    proxy_address: str
    upstream_url: str
    is_demo: bool = False


class Feed:
    """One for the process; `run` it once.

    Args:
        clock: Unix seconds.
        monotonic: Seconds that never go back.
        on_status: Told each new status.
    """

    def __init__(
        self,
        sources: Sources,
        plan: Plan,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        on_status: Callable[[Status], None] = lambda _: None,
    ) -> None:
        self._sources = sources
        self._plan = plan
        self._clock = clock
        self._monotonic = monotonic
        self._on_status = on_status
        self._stopped = threading.Event()
        self._has_tick = threading.Event()
        self._history_lock = threading.Lock()
        self._histories: dict[str, tuple[float, bytes]] = {}
        self._blind_since: float | None = None
        self._status: Status | None = None
        self._source = "embedded"
        self._t = 0.0
        self._tick = b""

    def run(self, emit: Callable[[str, object], object]) -> None:
        """Tick until `stop`. A turn that took too long delays the next one, and none is made up."""
        interval = max(_SHORTEST_S, self._plan.interval_s)
        due = self._monotonic()
        while not self._stopped.is_set():
            emit("tick", self.turn())
            due = max(due + interval, self._monotonic())
            self._stopped.wait(due - self._monotonic())

    def stop(self) -> None:
        """Let `run` return."""
        self._stopped.set()

    def tick(self, timeout_s: float = 0) -> bytes:
        """The last tick as JSON, waiting for the first; b"" when there is none yet."""
        self._has_tick.wait(timeout_s)
        return self._tick

    def turn(self) -> view.Json:
        """Read everything once and build a tick."""
        t = self._clock()
        own, proxy_error = _read(self._sources.own, t)
        theirs, prometheus_error = _read(self._sources.prometheus, t)
        self._watch_blindness(own, theirs)
        reading, source = choose(own, theirs)
        facts = self._facts(t, proxy_error, prometheus_error)
        built = view.build_tick(
            reading or Reading(t),
            source=source,
            interval_s=self._plan.interval_s,
            is_demo=self._plan.is_demo,
            status=status.derive(facts),
            notes=status.notes(facts),
            models=view.models(self._sources.own.store, t),
        )
        self._keep(t, source, built)
        self._tell(status.derive(facts))
        return built

    def history(self, name: str) -> bytes:
        """Return a range as gzipped JSON; asked and packed once a tick for all clients.

        Raises:
            KeyError: No such range.
        """
        seconds = RANGES_S[name]
        with self._history_lock:
            t, packed = self._histories.get(name, (0.0, b""))
            span = Span.of(self._t or self._clock(), seconds, self._plan.interval_s)
            if abs(self._t - t) >= span.step_s / 2 or not packed:
                t = self._t
                document = view.build_history(self._history(span), pause=_yield)
                packed = gzip.compress(_json(document), compresslevel=5)
                self._histories[name] = (t, packed)
        return packed

    def stretch(self, start: float, end: float) -> view.Json:
        """Return the history between two moments, Unix seconds."""
        span = Span.of(end, end - start, self._plan.interval_s)
        return view.build_history(self._history(span), pause=_yield)

    def _history(self, span: Span) -> History:
        if self._source == "prometheus" and self._sources.prometheus:
            try:
                return self._sources.prometheus.history(span)
            except SourceError as error:
                _log.warning("history from our own samples: %s", error)
        return self._sources.own.history(span)

    def _facts(self, t: float, proxy_error: str, prometheus_error: str) -> Facts:
        store = self._sources.own.store
        upstream, reason = self._upstream(_single(_OLLAMA_UP, store, t), proxy_error)
        seen = self._sources.helper.look() if self._sources.helper else None
        kept = self._sources.kept
        return Facts(
            proxy_address=self._plan.proxy_address,
            upstream_url=self._plan.upstream_url,
            proxy_error=proxy_error,
            upstream=upstream,
            upstream_reason=reason,
            prometheus_error=prometheus_error,
            is_prometheus_blind=self._is_blind(),
            requests=_single(_REQUESTS, store, t),
            helper=_helper_state(seen),
            helper_error=seen.error if seen else "",
            helper_denied=seen.denied if seen else "",
            has_gpu=bool(_single(_GPUS, store, t)) or (seen is not None and seen.has_gpu),
            history_error=kept.error if kept else "",
            history_moved=kept.moved if kept else "",
        )

    def _upstream(self, is_up: float | None, proxy_error: str) -> tuple[Upstream, str]:
        if proxy_error or is_up is None:
            return Upstream.UNKNOWN, ""
        if is_up:
            return Upstream.UP, ""
        word, reason = self._sources.own.upstream()
        is_other = word == Upstream.NOT_OLLAMA
        return (Upstream.NOT_OLLAMA if is_other else Upstream.DOWN), reason

    def _watch_blindness(self, own: Reading | None, theirs: Reading | None) -> None:
        if own and theirs and theirs.is_empty and not own.is_empty:
            if self._blind_since is None:
                self._blind_since = self._monotonic()
        else:
            self._blind_since = None

    def _is_blind(self) -> bool:
        """A Prometheus that has just started has no samples either."""
        return (
            self._blind_since is not None and self._monotonic() - self._blind_since >= BLIND_AFTER_S
        )

    def _keep(self, t: float, source: str, built: view.Json) -> None:
        self._t, self._source, self._tick = t, source, _json(built)
        self._has_tick.set()

    def _tell(self, new: Status) -> None:
        if new == self._status:
            return
        if new.level is not status.Level.OK or self._status is not None:
            _log.warning("%s%s", new.text, f" ({new.hint})" if new.hint else "")
        self._status = new
        self._on_status(new)


def choose(own: Reading | None, theirs: Reading | None) -> tuple[Reading | None, str]:
    """Return what the page shows: Prometheus, unless it has nothing and we have something."""
    if theirs is not None and (not theirs.is_empty or own is None or own.is_empty):
        return theirs, "prometheus"
    return own, "embedded"


def _read(source: Source | None, t: float) -> tuple[Reading | None, str]:
    if source is None:
        return None, ""
    try:
        return source.read(t), ""
    except SourceError as error:
        return None, str(error)


def _single(expression: Expression, store: SeriesStore, t: float) -> float | None:
    return expression.eval(store, t).get(())


def _helper_state(seen: HelperSeen | None) -> HelperState:
    if seen is None:
        return HelperState.OFF
    return HelperState.DOWN if seen.error else HelperState.UP


def _yield() -> None:
    """Under gevent, ticks and other answers go first."""
    time.sleep(0)


def _json(document: view.Json) -> bytes:
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
