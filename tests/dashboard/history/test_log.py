import sqlite3
from pathlib import Path

import pytest

from ollamon.dashboard.history import requests
from ollamon.dashboard.history.file import HistoryFile, connect_to_read
from ollamon.dashboard.history.log import TRIM_EVERY_S, RequestLog, Retention
from ollamon.dashboard.history.requests import Wanted
from ollamon.metrics.requests import TYPES
from tests.dashboard.history.made import record

ALL = Wanted(1000)
KEEP = Retention(1e9, 100_000)


class Stand:
    """A log and its file, on a path that can be taken away."""

    def __init__(self, path: Path, retention: Retention = KEEP) -> None:
        self.now = 0.0
        self.path = path
        self.file = HistoryFile(path, requests.create, clock=lambda: self.now)
        self.log = RequestLog(self.file, retention)

    def add(self, *seqs: int, now: float = 0.0, **fields) -> None:
        self.log.add([record(seq, **fields) for seq in seqs], now)

    def seqs(self, wanted: Wanted = ALL) -> list[int]:
        return [row.seq for row in self.log.select(wanted)]

    def on_disk(self) -> list[int]:
        reader = connect_to_read(self.path)
        found = [row.seq for row in requests.select(reader, ALL)]
        reader.close()
        return found


@pytest.fixture
def stand(tmp_path):
    made = Stand(tmp_path / "history.sqlite3")
    yield made
    made.file.close()


def test_a_row_comes_back_as_it_was(stand):
    made = record(2**53, prompt_tokens=None, is_stream=False, joules=1.5)
    stand.log.add([made], 0.0)
    assert stand.log.select(ALL) == [made]
    assert type(stand.log.select(ALL)[0].is_stream) is bool


def test_the_same_row_twice_is_one_row(stand):
    stand.add(1, 2)
    stand.add(2, 3)
    assert stand.seqs() == [3, 2, 1]
    assert stand.log.last_seq() == 3


def test_nothing_is_kept_yet(stand):
    assert stand.log.last_seq() == 0
    assert stand.seqs() == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(2), [6, 5]),
        (Wanted(9, before=3), [2, 1]),
        (Wanted(9, since=5.0), [6, 5]),
        (Wanted(9, words={"model": "tiny"}), [4, 2]),
        (Wanted(9, words={"model": "tiny", "outcome": "timeout"}), [4]),
        (Wanted(9, words={"model": "TINY"}), []),
        (Wanted(9, text="TIN"), [4, 2]),
        (Wanted(9, text="chat"), [6, 5, 4, 3, 2, 1]),
        (Wanted(9, text="%"), []),
        (Wanted(9, text="a_chat"), []),
        (Wanted(9, text="\\"), []),
        (Wanted(9, text="'; DROP TABLE requests; --"), []),
        (Wanted(1, before=5, words={"model": "tiny"}), [4]),
    ],
)
def test_rows_are_chosen(stand, wanted, expected):
    stand.add(1, 3, 5, 6)
    stand.add(2, model="tiny")
    stand.add(4, model="tiny", outcome="timeout")
    assert stand.seqs(wanted) == expected


def test_no_column_can_hold_text_of_a_request(stand):
    stand.add(1)
    long = record(2, model="x" * 129)
    stand.log.add([long], 0.0)
    assert stand.seqs() == [1]
    reader = connect_to_read(stand.path)
    columns = {row[1]: row[2] for row in reader.execute("PRAGMA table_info(requests)")}
    reader.close()
    assert list(columns) == list(TYPES)
    texts = {name for name, kind in columns.items() if kind not in ("INTEGER", "REAL")}
    assert texts == {"method", "endpoint", "model", "status", "outcome", "finish", "client"}


def test_rows_go_by_age_and_by_number(tmp_path):
    stand = Stand(tmp_path / "h", Retention(age_s=1000, rows=5))
    stand.add(*range(100, 110), now=500)
    assert stand.seqs() == [109, 108, 107, 106, 105]
    stand.add(200, now=500 + TRIM_EVERY_S - 1)
    assert len(stand.seqs()) == 6
    stand.add(201, now=1107)
    assert stand.seqs() == [201, 200, 109, 108, 107]
    stand.add(202, now=1200)
    assert stand.seqs() == [202, 201, 200]
    stand.file.close()


def test_a_file_of_an_earlier_version_gets_the_new_columns(tmp_path):
    path = tmp_path / "h"
    old = sqlite3.connect(path)
    old.execute("CREATE TABLE requests (seq INTEGER PRIMARY KEY, ended_at REAL NOT NULL)")
    old.execute("INSERT INTO requests VALUES (1, 5.0)")
    old.commit()
    old.close()
    stand = Stand(path)
    stand.add(2)
    assert stand.seqs() == [2, 1]
    (row,) = stand.log.select(Wanted(1, before=2))
    assert (row.ended_at, row.model, row.joules) == (5.0, "", None)
    stand.file.close()


def test_without_room_on_the_disk_it_goes_on_in_memory_and_catches_up(stand):
    stand.add(1)
    limit = "PRAGMA max_page_count = {}"
    stand.file.write(lambda connection: connection.execute(limit.format(9)).fetchall())
    stand.add(*range(2, 2000))
    assert "disk is full" in stand.file.error
    stand.add(2000)
    assert stand.seqs(Wanted(3)) == [2000, 1999, 1998]
    assert stand.seqs(Wanted(2, before=3)) == [2, 1]
    assert stand.log.last_seq() == 2000
    assert stand.on_disk() == [1]
    stand.now = 60.0
    stand.file.read(lambda connection: connection.execute(limit.format(10**6)).fetchall())
    stand.add(2001)
    assert stand.file.error == ""
    assert len(stand.on_disk()) == 1000
    assert stand.seqs(Wanted(2)) == [2001, 2000]
    assert stand.seqs(Wanted(2, before=3)) == [2, 1]


def test_what_is_kept_in_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("ollamon.dashboard.history.log.IN_MEMORY", 10)
    log = RequestLog(HistoryFile(None, requests.create), KEEP)
    log.add([record(seq) for seq in range(1, 100)], 0.0)
    assert [row.seq for row in log.select(ALL)] == list(range(99, 89, -1))
