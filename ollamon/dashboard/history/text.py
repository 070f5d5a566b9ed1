"""Rows of requests as CSV, without I/O."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from ollamon.metrics.requests import TYPES, RequestRecord

# What a spreadsheet takes for a formula when a cell begins with it (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(records: Iterable[RequestRecord]) -> str:
    """Return them with a head; times are UTC, unknown is empty, no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(TYPES)
    for record in records:
        writer.writerow(_cell(name, value) for name, value in record._asdict().items())
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
