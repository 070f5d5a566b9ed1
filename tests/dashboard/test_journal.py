import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ollamon.dashboard.history import requests
from ollamon.dashboard.history.file import HistoryFile
from ollamon.dashboard.history.log import RequestLog, Retention
from ollamon.dashboard.history.requests import Wanted
from ollamon.dashboard.journal import PAGE_ROWS, SETTLE_EVERY_S, SETTLED_S, Journal
from tests.dashboard.ring_server import RingServer

RUNNING = {"id": 7, "endpoint": "/api/chat", "model": "qwen3:8b", "phase": "generating"}


class Desk:
    """A proxy, a file, and the journal between them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.proxy = RingServer()
        self.open()

    def open(self) -> None:
        self.file = HistoryFile(self.path, requests.create)
        self.log = RequestLog(self.file, Retention(1e12, 10**6))
        self.journal = Journal(self.proxy.url, self.log, in_thread=lambda work: work())

    def reopen(self) -> None:
        """As a dashboard that was started again."""
        self.file.close()
        self.open()

    def kept(self) -> list[int]:
        """What is kept, less the start of the numbers, oldest first."""
        return [row.seq - 1_000_000 for row in self.journal.page(Wanted(10**6))][::-1]

    def close(self) -> None:
        self.file.close()
        self.proxy.close()


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "history.sqlite3")
    yield made
    made.close()


def test_what_ended_is_taken_once(desk):
    desk.proxy.end(3)
    assert len(desk.journal.take()) == 3
    assert desk.journal.take() == []
    desk.proxy.end()
    assert [row.seq for row in desk.journal.take()] == [1_000_004]
    assert desk.kept() == [1, 2, 3, 4]


def test_much_is_taken_in_several_bites_and_pages_hear_of_the_newest(desk):
    desk.proxy.end(2500)
    taken = desk.journal.take()
    assert [row.seq for row in taken] == list(range(1_002_401, 1_002_501))
    assert len(taken) == PAGE_ROWS
    assert len(desk.proxy.asked) == 3
    assert desk.kept() == list(range(1, 2501))


def test_a_dashboard_that_was_away_misses_nothing_and_takes_nothing_twice(desk):
    desk.proxy.end(5)
    desk.journal.take()
    desk.proxy.end(1200)
    desk.reopen()
    desk.proxy.end(10)
    desk.journal.take()
    assert desk.kept() == list(range(1, 1216))


def test_a_proxy_that_was_started_again_goes_on_with_higher_numbers(desk, caplog):
    desk.proxy.end(5)
    desk.journal.take()
    desk.proxy.begin(start=2_000_000)
    desk.proxy.end(2)
    desk.journal.take()
    assert desk.kept() == [1, 2, 3, 4, 5, 1_000_001, 1_000_002]
    assert caplog.text == ""


def test_a_clock_that_was_set_back_hides_no_request(desk):
    desk.proxy.end(5)
    desk.journal.take()
    desk.proxy.begin(start=500_000)
    desk.proxy.end(2)
    desk.journal.take()
    desk.proxy.end(1)
    desk.journal.take()
    before = [-499_999, -499_998, -499_997]
    assert desk.kept() == [*before, 1, 2, 3, 4, 5]
    desk.reopen()
    desk.proxy.end(1)
    desk.journal.take()
    assert desk.kept() == [*before, -499_996, 1, 2, 3, 4, 5]


def test_what_the_proxy_had_to_forget_is_counted(desk, caplog):
    desk.proxy.begin(size=10, start=1_000_000)
    desk.proxy.end(5)
    desk.journal.take()
    desk.proxy.end(30)
    with caplog.at_level(logging.WARNING):
        desk.journal.take()
    assert "20 requests ended and were forgotten" in caplog.text
    assert desk.kept() == [1, 2, 3, 4, 5, *range(26, 36)]


def test_energy_that_is_known_later_is_written_later(desk):
    now = time.time()
    desk.journal = Journal(
        desk.proxy.url, desk.log, in_thread=lambda work: work(), has_energy=True, clock=lambda: now
    )
    start = desk.proxy.ring.start
    desk.proxy.end(3)
    desk.journal.take()
    assert desk.journal.settle() == []
    desk.proxy.ring.settle(start + 2, 12.5)
    assert desk.journal.settle() == []
    now += SETTLE_EVERY_S
    (row,) = desk.journal.settle()
    assert (row.seq, row.joules) == (start + 2, 12.5)
    desk.proxy.ring.settle(start + 3, 1.5)
    now += SETTLE_EVERY_S
    assert [row.seq for row in desk.journal.settle()] == [start + 3]
    assert [row.joules for row in desk.journal.page(Wanted(9))] == [1.5, 12.5, None]
    now += SETTLED_S
    desk.journal.settle()
    asked = len(desk.proxy.asked)
    now += SETTLE_EVERY_S
    assert (desk.journal.settle(), len(desk.proxy.asked)) == ([], asked)


def test_without_a_helper_nobody_asks_for_energy(desk):
    desk.proxy.end(3)
    desk.journal.take()
    desk.proxy.ring.settle(desk.proxy.ring.start + 2, 12.5)
    assert desk.journal.settle() == []
    assert len(desk.proxy.asked) == 1


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, ""),
        (200, "<html>"),
        (200, "[]"),
        (200, "[" * 100_000),
        (200, '{"start":1,"first":NaN,"last":1,"requests":[],"in_flight":[]}'),
        (200, '{"start":"1","first":1,"last":1,"requests":[],"in_flight":[]}'),
        (200, '{"start":1,"first":2,"last":2,"requests":[{"seq":2}],"in_flight":[]}'),
        (500, '{"start":1,"first":1,"last":1,"requests":[],"in_flight":[]}'),
    ],
)
def test_an_answer_that_is_none_changes_nothing(desk, status, text):
    desk.proxy.end()
    desk.journal.take()
    desk.proxy.status, desk.proxy.text = status, text
    assert desk.journal.take() == []
    desk.proxy.status, desk.proxy.text = 200, None
    desk.proxy.end()
    desk.journal.take()
    assert desk.kept() == [1, 2]


def test_requests_in_flight_are_known_until_the_proxy_is_gone(desk):
    desk.proxy.running = [RUNNING, "no object", *[RUNNING] * 500]
    desk.journal.take()
    assert desk.journal.running[0] == RUNNING
    assert len(desk.journal.running) == 200
    desk.proxy.close()
    desk.journal.take()
    assert desk.journal.running == []


def test_pages_are_told_when_something_is_new_and_once_more_when_it_is_over(desk, monkeypatch):
    monkeypatch.setattr("ollamon.dashboard.journal.BUSY_S", 0.01)
    monkeypatch.setattr("ollamon.dashboard.journal.IDLE_S", 0.01)
    told: list[dict[str, Any]] = []
    heard = threading.Condition()

    def emit(event: str, document: object) -> None:
        with heard:
            assert event == "requests"
            told.append(json.loads(json.dumps(document)))
            heard.notify()

    def wait_for(check) -> None:
        with heard:
            assert heard.wait_for(lambda: told and check(told[-1]), 20), told[-2:]

    thread = threading.Thread(target=desk.journal.run, args=(emit,))
    thread.start()
    try:
        desk.proxy.running = [RUNNING]
        wait_for(lambda document: document["in_flight"] == [RUNNING])
        desk.proxy.end(2)
        wait_for(lambda document: len(document["requests"]) == 2)
        assert [row["seq"] for row in told[-1]["requests"]] == [1_000_002, 1_000_001]
        desk.proxy.running = []
        wait_for(lambda document: document["in_flight"] == [] and document["requests"] == [])
        asked = len(desk.proxy.asked)
        count = len(told)
        while len(desk.proxy.asked) < asked + 5:
            pass
        assert len(told) == count
    finally:
        desk.journal.stop()
        thread.join(20)
