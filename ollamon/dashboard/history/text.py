"""Requests and histories as CSV, without I/O."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ollamon.metrics.requests import TYPES, RequestRecord

# What a spreadsheet takes for a formula when a cell begins with it (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(records: Iterable[RequestRecord]) -> str:
    """Return them with a head; times are UTC, unknown is empty, no cell is a formula."""
    rows = ((_cell(name, value) for name, value in row._asdict().items()) for row in records)
    return _written(TYPES, rows)


def history_csv(history: Mapping[str, Any]) -> str:
    """Return what /api/history gives as one row for each known value; times are UTC."""
    rows = (
        (moment_of(t), id_, _cell("series", name), value)
        for id_, panel in history["panels"].items()
        for name, column in panel["series"].items()
        for t, value in zip(history["t"], column, strict=True)
        if value is not None
    )
    return _written(("time", "panel", "series", "value"), rows)


def _written(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def moment_of(unix_time: float) -> str:
    """Return a time as UTC, to the millisecond."""
    moment = datetime.fromtimestamp(unix_time, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(name: str, value: object) -> object:
    if name == "ended_at" and isinstance(value, float):
        return moment_of(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
