"""Panels from a Prometheus, through prometheus-api-client.

Its defaults retry for six seconds, wait for ever and honour HTTP_PROXY for loopback: all three are
set here. All panels are one query, which costs a tenth of one query each; when that query is
refused, each is asked alone, so that one panel cannot blank all.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from ollamon.dashboard.sources import fetch
from ollamon.dashboard.sources.source import History, Reading, Span
from ollamon.errors import SourceError
from ollamon.metrics.expressions import Vector
from ollamon.metrics.panels import PANELS, Panel
from ollamon.metrics.rewriting import widened
from ollamon.metrics.series import Labels, key_of

_MARK = "ollamon_panel"
# VictoriaMetrics moves the points of a range to multiples of the step, unless it may not cache.
_EXACT = {"nocache": "1"}


class RefusedError(SourceError):
    """It answered, and refused the query."""


class Prometheus:
    """A Prometheus, or what speaks its HTTP API.

    Args:
        url: Scheme, host and port.
    """

    def __init__(self, url: str, panels: tuple[Panel, ...] = PANELS) -> None:
        self._url = url
        self._panels = panels
        self._client = PrometheusConnect(
            url=url,
            retry=Retry(total=0),
            timeout=int(fetch.TIMEOUT_S),
            session=fetch.new_session(),
        )

    def read(self, t: float) -> Reading:
        """Evaluate every panel at `t`.

        Raises:
            SourceError: It does not answer, or not as a Prometheus does.
        """
        found: dict[str, Vector] = {panel.id: {} for panel in self._panels}
        for mark, labels, (_, value) in self._ask(
            lambda query: self._query(query, t), self._panels
        ):
            if mark in found:
                found[mark][labels] = value
        return Reading(t, found)

    def history(self, span: Span) -> History:
        """Ask for every panel over a span, at whole seconds.

        Raises:
            SourceError: As `read`.
        """
        step = max(1, round(span.step_s))
        end = math.floor(span.end)
        times = range(end - step * (span.points - 1), end + 1, step)
        found: dict[str, dict[Labels, list[float]]] = {panel.id: {} for panel in self._panels}
        panels = tuple(
            replace(panel, expression=widened(panel.expression, step)) for panel in self._panels
        )
        for mark, labels, (at, value) in self._ask(lambda query: self._range(query, times), panels):
            place, rest = divmod(round(at) - times.start, step)
            if mark in found and not rest and 0 <= place < len(times):
                found[mark].setdefault(labels, [math.nan] * len(times))[place] = value
        return History(list(times), step, found)

    def _ask(
        self, query: Callable[[str], list[Any]], panels: tuple[Panel, ...]
    ) -> Iterator[tuple[str, Labels, tuple[float, float]]]:
        try:
            results = query(_union(panels))
        except RefusedError:
            results = self._ask_each(query, panels)
        return _points(results)

    def _ask_each(self, query: Callable[[str], list[Any]], panels: tuple[Panel, ...]) -> list[Any]:
        deadline = time.monotonic() + fetch.TIMEOUT_S
        results, refusal = [], RefusedError(f"cannot query {self._url}")
        refused = 0
        for panel in panels:
            if time.monotonic() > deadline:
                break
            try:
                results += query(_marked(panel))
            except RefusedError as error:
                refusal, refused = error, refused + 1
        if refused == len(panels):
            raise refusal
        return results

    def _query(self, query: str, t: float) -> list[Any]:
        return self._translated(
            lambda: self._client.custom_query(query, params={"time": f"{t:.3f}"})
        )

    def _range(self, query: str, times: range) -> list[Any]:
        start, end = (datetime.fromtimestamp(times[i], UTC) for i in (0, -1))
        return self._translated(
            lambda: self._client.custom_query_range(query, start, end, str(times.step), _EXACT)
        )

    def _translated(self, call: Callable[[], Any]) -> list[Any]:
        try:
            result = call()
        except PrometheusApiClientException as error:
            raise RefusedError(f"cannot query {self._url}: {str(error)[:300]}") from None
        # requests' own JSONDecodeError is both: a login page answers 200 with HTML.
        except requests.JSONDecodeError:
            raise SourceError(f"cannot query {self._url}: the answer is no JSON") from None
        except requests.RequestException as error:
            raise SourceError(f"cannot reach {self._url}: {fetch.reason_of(error)}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise SourceError(f"cannot query {self._url}: not the answer of a Prometheus") from None
        if not isinstance(result, list):
            raise SourceError(f"cannot query {self._url}: not the answer of a Prometheus")
        return result


def _union(panels: tuple[Panel, ...]) -> str:
    return " or ".join(map(_marked, panels))


def _marked(panel: Panel) -> str:
    return f'label_replace({panel.expression.promql()}, "{_MARK}", "{panel.id}", "", "")'


def _points(results: list[Any]) -> Iterator[tuple[str, Labels, tuple[float, float]]]:
    """Yield panel id, labels, and time and value of each point; other shapes are passed over."""
    for series in results:
        match series:
            case {"metric": {"ollamon_panel": str(mark)} as metric, "value": value}:
                points = [value]
            case {"metric": {"ollamon_panel": str(mark)} as metric, "values": list(points)}:
                pass
            case _:
                continue
        labels = key_of(_texts(metric))
        for point in points:
            match point:
                case [int() | float() as at, str(text)]:
                    yield mark, labels, (at, _number(text))
                case _:
                    pass


def _texts(metric: Mapping[str, object]) -> dict[str, str]:
    return {
        name: value for name, value in metric.items() if isinstance(value, str) and name != _MARK
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
