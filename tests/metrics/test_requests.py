import json

import pytest

from ollamon.metrics.requests import MAX_TEXT, NULLABLE, TYPES, RequestRecord, record_of
from tests.dashboard.history.made import record


def test_what_was_written_as_json_is_read_back():
    made = record(7, prompt_tokens=None, joules=12.5)
    assert record_of(json.loads(json.dumps(made._asdict()))) == made


def test_a_whole_number_may_stand_for_seconds_and_a_stranger_is_passed_over():
    document = record(7)._asdict() | {"duration_s": 2, "prompt": "secret"}
    read = record_of(document)
    assert type(read.duration_s) is float
    assert "secret" not in str(read)


def test_what_may_be_unknown_is_named():
    assert "joules" in NULLABLE
    assert {"seq", "model", "duration_s"}.isdisjoint(NULLABLE)
    assert list(TYPES) == list(RequestRecord._fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq", None),
        ("seq", -1),
        ("seq", 2**63),
        ("seq", True),
        ("seq", 1.0),
        ("duration_s", -0.5),
        ("duration_s", float("nan")),
        ("duration_s", float("inf")),
        ("duration_s", "1"),
        ("duration_s", True),
        ("prompt_tokens", 1.5),
        ("is_stream", 1),
        ("model", "x" * (MAX_TEXT + 1)),
        ("model", "two\nlines"),
        ("model", 5),
        ("outcome", None),
    ],
)
def test_a_bad_field_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name}: no "):
        record_of(record(7)._asdict() | {name: value})


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_no_object_is_no_request(document):
    with pytest.raises(ValueError, match="no object"):
        record_of(document)
