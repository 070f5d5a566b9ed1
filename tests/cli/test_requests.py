"""`ollamon requests` reads the file alone: nothing runs here."""

import csv
import io
import json
import time

import pytest

from ollamon.cli.requests import NOTHING, lines_of
from ollamon.cli.words import Style
from ollamon.dashboard.history import requests
from ollamon.dashboard.history.file import HistoryFile
from tests.dashboard.history.made import record

NOW = time.time()


@pytest.fixture
def kept(home):
    """Five requests, the last of them a second ago."""
    folder = home / ".local/share/ollamon/default"
    file = HistoryFile(folder / "history.sqlite3", requests.create)
    rows = [record(seq, ended_at=NOW - 1000 * (5 - seq) - 1) for seq in range(1, 5)]
    rows.append(record(5, ended_at=NOW - 1, model="tiny", outcome="client_abort"))
    file.write(lambda connection: requests.insert(connection, rows))
    file.close()
    return folder


def seqs(invoke, *words: str) -> list[int]:
    code, out, _ = invoke("requests", *words, "--json")
    document = json.loads(out)
    assert (code, document["ok"], document["name"]) == (0, True, "default")
    return [row["seq"] for row in document["requests"]]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [1, 2, 3, 4, 5]),
        (("--limit", "2"), [4, 5]),
        (("--since", "30m"), [4, 5]),
        (("--model", "tiny"), [5]),
        (("--outcome", "ok", "--since", "40m"), [3, 4]),
        (("--model", "none"), []),
    ],
)
def test_rows_are_chosen_and_the_newest_stands_last(invoke, words, expected):
    assert seqs(invoke, *words) == expected


@pytest.mark.usefixtures("kept")
def test_people_get_a_table(invoke):
    code, out, err = invoke("requests", "--limit", "1")
    head, row = out.splitlines()
    assert (code, err) == (0, "")
    assert " ".join(head.split()) == "ENDED MODEL OUTCOME TTFT TOK/S IN OUT TOOK ENDPOINT"
    assert " ".join(row.split()).endswith("tiny client_abort 250 ms 76.5 12 34 2.5 s /api/chat")


def test_what_is_not_known_is_a_dash():
    unknown = record(1, time_to_first_token_s=None, tokens_per_second=None, prompt_tokens=None)
    row = list(lines_of([unknown._asdict()], Style()))[1]
    assert row.split()[4:8] == [NOTHING, NOTHING, NOTHING, "34"]


@pytest.mark.usefixtures("kept")
def test_programs_get_csv(invoke):
    code, out, _ = invoke("requests", "--csv", "--model", "tiny")
    (row,) = csv.DictReader(io.StringIO(out, newline=""))
    assert (code, row["seq"], row["outcome"]) == (0, "5", "client_abort")
    assert row["ended_at"].endswith("Z")
    assert invoke("requests", "--csv", "--json")[0] == 2


def test_nothing_was_kept_yet(invoke, home):
    code, out, err = invoke("requests")
    assert (code, out) == (1, "")
    assert err.startswith("error: no request was kept yet: there is no ")
    code, out, _ = invoke("requests", "--demo", "--json")
    error = json.loads(out)["error"]
    assert error["kind"] == "history"
    assert error["message"].endswith("demo.sqlite3")


def test_a_file_that_is_no_database_is_said(invoke, kept):
    (kept / "history.sqlite3").write_text("no database" * 1000)
    code, _, err = invoke("requests")
    assert code == 1
    assert "file is not a database" in err
