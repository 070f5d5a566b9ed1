import pytest

from ollamon.dashboard.history.requests import Wanted
from ollamon.dashboard.questions import wanted_of


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
        ({"model": "x" * 129}, "model: expected at most 128 printable letters"),
        ({"q": "a\0b"}, "q: expected at most 128 printable letters"),
        ({"since": "1"}, "since: expected one of before, format, limit, model, outcome, q"),
    ],
)
def test_what_cannot_be_understood_is_said(query, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        wanted_of(query)
