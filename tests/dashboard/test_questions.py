import pytest

from ollamon.dashboard.history.requests import Wanted
from ollamon.dashboard.questions import Stretch, stretch_of, wanted_of


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (Wanted(100), "json")),
        ({"format": "csv"}, (Wanted(500), "csv")),
        ({"limit": "500", "before": "12"}, (Wanted(500, before=12), "json")),
        (
            {"model": "qwen3:8b", "outcome": "ok", "q": "chat", "before": "", "limit": ""},
            (Wanted(100, words={"model": "qwen3:8b", "outcome": "ok"}, text="chat"), "json"),
        ),
        ({"model": "", "outcome": "", "q": ""}, (Wanted(100), "json")),
    ],
)
def test_a_query_chooses_rows(query, expected):
    assert wanted_of(query) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "0"}, "limit: expected 1 to 500"),
        ({"limit": "501"}, "limit: expected 1 to 500"),
        ({"limit": "-1"}, "limit: expected a whole number"),
        ({"limit": "1e2"}, "limit: expected a whole number"),
        ({"before": "x"}, "before: expected a whole number"),
        ({"before": "9" * 19}, "before: expected a whole number"),
        ({"before": "\N{ARABIC-INDIC DIGIT ONE}"}, "before: expected a whole number"),
        ({"format": "xml"}, "format: expected one of json, csv"),
        ({"model": "x" * 129}, "model: expected at most 128 printable ASCII letters"),
        ({"q": "a\0b"}, "q: expected at most 128 printable ASCII letters"),
        ({"since": "1"}, "since: expected one of before, format, limit, model, outcome, q"),
    ],
)
def test_what_cannot_be_understood_is_said(query, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        wanted_of(query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Stretch("15m")),
        ({"range": "7d", "model": "qwen3:8b"}, Stretch("7d", model="qwen3:8b")),
        (
            {"from": "100", "to": "200", "panel": "ttft", "format": "csv"},
            Stretch("", 100, 200, "ttft", format="csv"),
        ),
    ],
)
def test_a_query_chooses_a_history(query, expected):
    assert stretch_of(query, {"ttft"}) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"range": "2h"}, "range: expected one of 5m, 15m, 1h, 6h, 24h, 7d, 30d, 90d"),
        ({"range": ""}, "range: expected one of 5m, 15m, 1h, 6h, 24h, 7d, 30d, 90d"),
        ({"panel": "x"}, "panel: expected an id of /api/panels"),
        ({"from": "100"}, "from: expected from and to, without range"),
        ({"to": "100"}, "to: expected from and to, without range"),
        (
            {"from": "1", "to": "100", "range": "5m"},
            "from: expected from and to, without range",
        ),
        ({"from": "100", "to": "105"}, "to: expected 10 s to 90 days after from"),
        ({"from": "100", "to": "50"}, "to: expected 10 s to 90 days after from"),
        ({"from": "0", "to": "9" * 10}, "to: expected 10 s to 90 days after from"),
        ({"from": "9" * 17, "to": "9" * 18}, "to: expected seconds since 1970"),
        ({"from": "-1", "to": "9"}, "from: expected a whole number"),
        ({"format": "xml"}, "format: expected one of json, csv"),
        ({"step": "5"}, "step: expected one of format, from, model, panel, range, to"),
    ],
)
def test_a_history_that_cannot_be_understood_is_said(query, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        stretch_of(query, {"ttft"})
