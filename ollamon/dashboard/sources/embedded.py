"""Panels from samples that the dashboard scrapes itself, also while a Prometheus answers."""

import json
from collections.abc import Iterable
from typing import Protocol

from ollamon.dashboard.sources import fetch
from ollamon.dashboard.sources.exposition import Exposition
from ollamon.dashboard.sources.rows import Rows
from ollamon.dashboard.sources.source import SHORT_S, History, Reading, Span, joined, until
from ollamon.errors import SourceError
from ollamon.metrics import catalog
from ollamon.metrics.panels import PANELS, Panel, names_of
from ollamon.metrics.series import Sample, SeriesStore

REACH_S = 30.0
"""Seconds of a range for whose sake nothing is read from disk."""
WATCHED = (
    catalog.REQUESTS_ACCEPTED,
    catalog.OLLAMA_UP,
    catalog.GPU_INFO,
    catalog.MODEL_LOADED,
    catalog.MODEL_SIZE,
    catalog.MODEL_VRAM,
    catalog.MODEL_OFFLOAD,
    catalog.MODEL_CONTEXT,
    catalog.MODEL_EXPIRES,
)
"""What the status and the list of models need beside the panels."""


class Kept(Protocol):
    """What outlives this process."""

    def take(self, t: float, samples: Iterable[Sample]) -> None:
        """Take a scrape that worked."""
        ...

    def history(self, span: Span) -> History:
        """Return every panel over a span."""
        ...


class Embedded:
    """Scrapes the proxy's metrics at each reading.

    Args:
        kept: Also gets what is scraped, and knows what was before this process and hour.

    Attributes:
        store: What was scraped.
    """

    def __init__(
        self, metrics_url: str, panels: tuple[Panel, ...] = PANELS, kept: Kept | None = None
    ) -> None:
        self._kept = kept
        self._base = metrics_url.rstrip("/")
        self._panels = panels
        self._exposition = Exposition(names_of(panels) | {metric.name for metric in WATCHED})
        self._session = fetch.new_session()
        self._rows = Rows()
        self.store = SeriesStore()

    def read(self, t: float) -> Reading:
        """Scrape and evaluate; a scrape that fails leaves a gap.

        Raises:
            SourceError: The proxy does not answer, or not with metrics.
        """
        try:
            samples = self._scrape()
        except SourceError:
            self.store.add(t, ())
            self._rows.add(Reading(t))
            raise
        self.store.add(t, samples)
        if self._kept is not None:
            self._kept.take(t, samples)
        reading = Reading(
            t, {panel.id: panel.expression.eval(self.store, t) for panel in self._panels}
        )
        self._rows.add(reading)
        return reading

    def history(self, span: Span) -> History:
        """The readings of a span, as they were made; what is kept, where they do not reach."""
        if self._kept is None:
            return self._rows.history(span)
        if span.seconds > SHORT_S:
            return self._kept.history(span)
        ours = self._rows.history(span)
        begins = ours.times[0] if ours.times else span.end
        if begins <= span.end - span.seconds + REACH_S:
            return ours
        return joined(until(self._kept.history(span), begins), ours)

    def upstream(self) -> tuple[str, str]:
        """Ask the proxy's /readyz what it found upstream: a word and a reason, "" if unknown."""
        try:
            _, body = fetch.get(self._session, f"{self._base}/readyz", limit=64 * 1024)
            document = json.loads(body)
        except (SourceError, ValueError, RecursionError):
            return "", ""
        match document:
            case {"upstream": str(word), "reason": str(reason)}:
                return word, reason
            case _:
                return "", ""

    def _scrape(self) -> list[Sample]:
        url = f"{self._base}/metrics"
        status, body = fetch.get(self._session, url)
        if status != 200:
            raise SourceError(f"cannot read {url}: status {status}")
        try:
            samples = self._exposition.parse(body.decode())
        except ValueError as error:
            raise SourceError(f"cannot read {url}: no valid metrics: {error}") from None
        if not samples:
            raise SourceError(f"cannot read {url}: it serves no metrics of ollamon")
        return samples
