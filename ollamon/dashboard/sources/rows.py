"""Readings of the last hour as columns, so that history costs no evaluation, without I/O."""

import math
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from ollamon.dashboard.sources.source import MAX_POINTS, History, Reading, Span
from ollamon.metrics.series import Labels

MAX_ROWS = 3600


class Rows:
    """One number per series and reading; NaN where a series was unknown."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self._max_rows = max_rows
        self._times = array("d")
        self._columns: dict[str, dict[Labels, array[float]]] = {}

    def add(self, reading: Reading) -> None:
        """Append a reading. A clock that was set back makes the older ones worthless."""
        if self._times and reading.t <= self._times[-1]:
            self._times = array("d")
            self._columns.clear()
        for panel, vector in reading.panels.items():
            self._fill(self._columns.setdefault(panel, {}), vector)
        self._times.append(reading.t)
        self._pad()
        if len(self._times) > self._max_rows * 5 // 4:
            self._drop(len(self._times) - self._max_rows)

    def history(self, span: Span) -> History:
        """Return the rows of a span; every n-th when there are too many."""
        chosen = self._chosen(span)
        return History(
            [self._times[i] for i in chosen],
            span.step_s,
            {
                panel: {labels: [column[i] for i in chosen] for labels, column in columns.items()}
                for panel, columns in self._columns.items()
            },
        )

    def _fill(self, columns: dict[Labels, "array[float]"], vector: Mapping[Labels, float]) -> None:
        for labels, value in vector.items():
            column = columns.get(labels)
            if column is None:
                column = columns[labels] = array("d", [math.nan]) * len(self._times)
            column.append(value)

    def _pad(self) -> None:
        for columns in self._columns.values():
            for column in columns.values():
                if len(column) < len(self._times):
                    column.append(math.nan)

    def _drop(self, count: int) -> None:
        del self._times[:count]
        for columns in self._columns.values():
            for labels, column in list(columns.items()):
                del column[:count]
                if all(map(math.isnan, column)):
                    del columns[labels]

    def _chosen(self, span: Span) -> Sequence[int]:
        first = bisect_right(self._times, span.end - span.seconds)
        end = bisect_right(self._times, span.end)
        stride = max(1, -(-(end - first) // min(MAX_POINTS, span.points)))
        return range(end - 1, first - 1, -stride)[::-1]
