import csv
import io

import pytest

from ollamon.dashboard.history.text import csv_of
from ollamon.metrics.requests import TYPES
from tests.dashboard.history.made import record


def test_a_head_a_line_for_each_and_what_is_unknown_is_empty():
    head, first, second, rest = csv_of([record(1), record(2, is_stream=False)]).split("\r\n")
    assert head == ",".join(TYPES)
    assert first.startswith("1,1,1970-01-01T00:00:01.000Z,POST,/api/chat,qwen3:8b,200,ok,stop,")
    assert ",1,2.5,0.25,76.5,12,,34,,0.125,0.5," in first
    assert ",0,2.5," in second
    assert rest == ""


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(begin):
    name = f'{begin}cmd|"/C calc"!A0,x'
    (row,) = csv.DictReader(io.StringIO(csv_of([record(1, model=name)]), newline=""))
    assert row["model"] == f"'{name}"


def test_quotes_and_commas_stay_in_their_cell():
    (row,) = csv.DictReader(io.StringIO(csv_of([record(1, model='a"b,c')]), newline=""))
    assert row["model"] == 'a"b,c'
