"""Steps in SQLite: each tier keeps coarser ones for longer.

A step is one row, packed; series are numbered in a table of their own. Coarse steps are made of the
fine ones that are on disk, so that a restart in the middle of one loses nothing.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ollamon.dashboard.history.packing import packed, unpacked
from ollamon.dashboard.history.steps import KEYFRAME_S, STEP_S, Key, Step, folded

DAY_S = 86_400
TIERS: Mapping[int, int] = {STEP_S: DAY_S, 60: 14 * DAY_S, 300: 90 * DAY_S}
"""Step -> for how long its steps are kept, both in seconds."""
_MARK = "counters"
# What is taken at once from the oldest steps when there are too many bytes.
_BITE = 0.05
_MOST_BITES = 40


def create(connection: sqlite3.Connection) -> None:
    """Create the tables that are missing."""
    for table in (
        "series (id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, "
        "UNIQUE (name, labels))",
        "steps (tier INTEGER NOT NULL, t INTEGER NOT NULL, data BLOB NOT NULL, "
        "PRIMARY KEY (tier, t))",
        "marks (name TEXT PRIMARY KEY, t REAL NOT NULL, data BLOB NOT NULL)",
    ):
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")


@dataclass(slots=True)
class Numbers:
    """The numbers of series, as one file has them; read once and added to."""

    connection: sqlite3.Connection
    by_key: dict[Key, int]
    by_number: dict[int, Key]

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> "Numbers":
        """Read them."""
        made = cls(connection, {}, {})
        for number, name, labels in connection.execute("SELECT id, name, labels FROM series"):
            made._learn(number, Key(name, tuple((k, v) for k, v in json.loads(labels))))
        return made

    def number(self, key: Key) -> int:
        """Return the number of a series, a new one when it has none."""
        if key not in self.by_key:
            row = (key.name, json.dumps(key.labels))
            added = self.connection.execute("INSERT INTO series (name, labels) VALUES (?, ?)", row)
            assert added.lastrowid is not None  # noqa: S101  a row was inserted
            self._learn(added.lastrowid, key)
        return self.by_key[key]

    def _learn(self, number: int, key: Key) -> None:
        self.by_key[key] = number
        self.by_number[number] = key


def tier_for(step_s: float, age_s: float) -> int:
    """Return the coarsest tier that is fine enough for a step, or the finest that is kept so long.

    Args:
        step_s: Between two points.
        age_s: Of the first of them.
    """
    kept = min((tier for tier, keep_s in TIERS.items() if age_s <= keep_s), default=max(TIERS))
    return max((tier for tier in TIERS if kept <= tier <= step_s), default=kept)


def write(numbers: Numbers, steps: Iterable[Step]) -> None:
    """Add steps of the finest tier, and the coarse ones that are complete with them."""
    for step in steps:
        _put(numbers, STEP_S, step)
    for tier in TIERS:
        if tier != STEP_S:
            _roll_up(numbers, tier)


def read(
    numbers: Numbers, tier: int, start: float, end: float, recent: Sequence[Step] = ()
) -> list[Step]:
    """Return the steps of a tier in (start, end], and those back to the keyframe before.

    The last ones are made of the fine ones that are there, and of `recent`, which are not on disk.
    """
    first = start - KEYFRAME_S - tier
    coarse = list(_steps(numbers, tier, first, end)) if tier != STEP_S else []
    fine = list(_steps(numbers, STEP_S, coarse[-1].t if coarse else first, end))
    written = [*coarse, *fine][-1].t if coarse or fine else first
    return coarse + rolled((*fine, *(step for step in recent if step.t > written)), tier)


def save_counters(numbers: Numbers, counters: Mapping[Key, float], seen_at: float) -> None:
    """Remember the counters as they were seen last."""
    data = packed(Step(0, growth=dict(counters)), numbers.number)
    numbers.connection.execute(
        "INSERT OR REPLACE INTO marks (name, t, data) VALUES (?, ?, ?)", (_MARK, seen_at, data)
    )


def saved_counters(numbers: Numbers) -> tuple[dict[Key, float], float]:
    """Return the counters as they were seen last, and when; nothing and 0 when nobody did."""
    found = numbers.connection.execute("SELECT t, data FROM marks WHERE name = ?", (_MARK,))
    for seen_at, data in found:
        return unpacked(data, 0, numbers.by_number.get).growth, seen_at
    return {}, 0.0


def trim(connection: sqlite3.Connection, now: float, max_bytes: int) -> None:
    """Remove steps that are too old for their tier, then the oldest of all until the rest fits."""
    for tier, keep_s in TIERS.items():
        connection.execute("DELETE FROM steps WHERE tier = ? AND t < ?", (tier, now - keep_s))
    for _ in range(_MOST_BITES):
        if used_bytes(connection) <= max_bytes or not _drop_oldest(connection):
            return


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how much of the file is in use; the rest of it is used again."""
    (pages,), (free,), (size,) = (
        connection.execute(f"PRAGMA {name}").fetchone()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _drop_oldest(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM steps").fetchone()
    oldest = "SELECT t FROM steps ORDER BY t LIMIT 1 OFFSET ?"
    return connection.execute(
        f"DELETE FROM steps WHERE t <= ({oldest})",  # noqa: S608 - a query of ours
        (int(count * _BITE),),
    ).rowcount


def _put(numbers: Numbers, tier: int, step: Step) -> None:
    """Add a step; what is there of it already, from before a restart, comes first."""
    for before in _steps(numbers, tier, step.t - 1, step.t):
        step = folded([before, step], step.t)
    row = (tier, step.t, packed(step, numbers.number))
    numbers.connection.execute("INSERT OR REPLACE INTO steps (tier, t, data) VALUES (?, ?, ?)", row)


def _roll_up(numbers: Numbers, tier: int) -> None:
    """Make the coarse steps that are complete and not there yet."""
    newest, done = (
        numbers.connection.execute("SELECT max(t) FROM steps WHERE tier = ?", (each,)).fetchone()[0]
        for each in (STEP_S, tier)
    )
    if newest is None:
        return
    for step in rolled(_steps(numbers, STEP_S, done or 0, newest // tier * tier), tier):
        _put(numbers, tier, step)


def rolled(fine: Iterable[Step], tier: int) -> list[Step]:
    """Return the steps of a tier that are made of fine ones."""
    groups = groupby(fine, lambda step: -(-step.t // tier) * tier)
    return [folded(list(steps), end) for end, steps in groups]


def _steps(numbers: Numbers, tier: int, after: float, until: float) -> Iterator[Step]:
    rows = numbers.connection.execute(
        "SELECT t, data FROM steps WHERE tier = ? AND t > ? AND t <= ? ORDER BY t",
        (tier, after, until),
    ).fetchall()
    for t, data in rows:
        yield unpacked(data, t, numbers.by_number.get)
