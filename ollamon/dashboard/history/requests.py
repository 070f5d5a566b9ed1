"""Requests that ended, a row each: what SQLite is told, for a file or for memory alike.

The columns are those of `RequestRecord`: numbers, and words from bounded lists. Text of a request
has nowhere to stand; a length is checked by the table itself.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from ollamon.metrics.requests import MAX_TEXT, NULLABLE, TYPES, RequestRecord

_SQL_TYPES = {int: "INTEGER", float: "REAL", str: "TEXT", bool: "INTEGER"}
_NAMES = tuple(TYPES)
_WORDS = tuple(name for name, type_ in TYPES.items() if type_ is str)
_SELECT = f"SELECT {', '.join(_NAMES)} FROM requests"  # noqa: S608 - names of ours
_INSERT = (
    f"INSERT OR IGNORE INTO requests ({', '.join(_NAMES)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_NAMES))})"
)
FILTERS = ("model", "outcome")
"""Columns by which people choose."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows, the newest first.

    Attributes:
        limit: At most so many.
        before: Only those with a lower `seq`.
        since: Only those that ended at this Unix time or later.
        words: One of `FILTERS` -> what stands in that column.
        text: Found somewhere in a word of the row, in any case of letters.
    """

    limit: int
    before: int | None = None
    since: float | None = None
    words: dict[str, str] = field(default_factory=dict)
    text: str = ""


def create(connection: sqlite3.Connection) -> None:
    """Create the table, or add the columns that a later version brought."""
    columns = ", ".join(map(_column, _NAMES))
    connection.execute(f"CREATE TABLE IF NOT EXISTS requests ({columns})")
    found = {row[1] for row in connection.execute("PRAGMA table_info(requests)")}
    for name in _NAMES:
        if name not in found:
            connection.execute(f"ALTER TABLE requests ADD COLUMN {_column(name)}")
    connection.execute("CREATE INDEX IF NOT EXISTS requests_ended ON requests (ended_at)")


def _column(name: str) -> str:
    if name == "seq":
        return "seq INTEGER PRIMARY KEY"
    kind = _SQL_TYPES[TYPES[name]]
    if TYPES[name] is str:
        return f"{name} {kind} NOT NULL DEFAULT '' CHECK (length({name}) <= {MAX_TEXT})"
    return f"{name} {kind}" if name in NULLABLE else f"{name} {kind} NOT NULL DEFAULT 0"


def insert(connection: sqlite3.Connection, records: Iterable[RequestRecord]) -> None:
    """Add rows; one that is there already stays as it is."""
    connection.executemany(_INSERT, records)


def settle(connection: sqlite3.Connection, records: Iterable[RequestRecord]) -> None:
    """Write the energy of rows that are there; it is known only after a request ended."""
    energies = [(record.joules, record.seq) for record in records]
    connection.executemany("UPDATE requests SET joules = ? WHERE seq = ?", energies)


def select(connection: sqlite3.Connection, wanted: Wanted) -> list[RequestRecord]:
    """Return the rows that are wanted, the newest first."""
    conditions: list[str] = []
    values: list[object] = []
    if wanted.before is not None:
        conditions.append("seq < ?")
        values.append(wanted.before)
    if wanted.since is not None:
        conditions.append("ended_at >= ?")
        values.append(wanted.since)
    for name in FILTERS:
        if name in wanted.words:
            conditions.append(f"{name} = ?")
            values.append(wanted.words[name])
    if wanted.text:
        conditions.append(f"({' || char(10) || '.join(_WORDS)}) LIKE ? ESCAPE '\\'")
        values.append(f"%{_literal(wanted.text)}%")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"{_SELECT}{where} ORDER BY seq DESC LIMIT ?"
    return [_record(row) for row in connection.execute(query, (*values, wanted.limit))]


def _literal(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in text)


def _record(row: tuple[object, ...]) -> RequestRecord:
    record = RequestRecord(*row)  # type: ignore[arg-type]
    return record._replace(is_stream=bool(record.is_stream))


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the highest number, 0 when there is no row."""
    (last,) = connection.execute("SELECT max(seq) FROM requests").fetchone()
    return int(last or 0)


def trim(connection: sqlite3.Connection, *, oldest: float, rows: int) -> int:
    """Remove rows that ended before `oldest`, and the first ones beyond `rows`; return how many."""
    by_age = connection.execute("DELETE FROM requests WHERE ended_at < ?", (oldest,)).rowcount
    beyond = "SELECT seq FROM requests ORDER BY seq DESC LIMIT 1 OFFSET ?"
    by_count = connection.execute(f"DELETE FROM requests WHERE seq <= ({beyond})", (rows,)).rowcount  # noqa: S608
    return by_age + by_count
