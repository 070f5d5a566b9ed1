import pytest

from ollamon.dashboard.sources import exposition
from ollamon.dashboard.sources.exposition import Exposition


def found(reader: Exposition, text: str) -> list[tuple]:
    return [tuple(sample) for sample in reader.parse(text)]


def test_lines_are_chosen_by_their_whole_name():
    text = '# TYPE a gauge\na 1\na_b 2\na{x="y z",u="\\""} 3\n\nb_total 4 1700000000000\n'
    reader = Exposition(["a", "b_total"])
    expected = [("a", {}, 1), ("a", {"x": "y z", "u": '"'}, 3), ("b_total", {}, 4)]
    assert found(reader, text) == expected
    assert found(reader, text) == expected


def test_a_line_that_is_known_has_its_new_value():
    reader = Exposition(["a"])
    assert found(reader, 'a{x="y"} 1\n') == [("a", {"x": "y"}, 1)]
    assert found(reader, 'a{x="y"} 2.5e3\na{x="z"} +Inf\n') == [
        ("a", {"x": "y"}, 2500),
        ("a", {"x": "z"}, float("inf")),
    ]


def test_a_value_before_a_timestamp_is_no_head():
    reader = Exposition(["a"])
    assert found(reader, "a 4 4\n") == [("a", {}, 4)]
    assert found(reader, "a 4 5\n") == [("a", {}, 4)]
    assert found(reader, "a 7\n") == [("a", {}, 7)]


@pytest.mark.parametrize(
    "text",
    ["a one", 'a{x="} 1', "a", "a{} "],
    ids=["no number", "torn", "no value", "an empty value"],
)
def test_a_malformed_line_is_refused(text):
    reader = Exposition(["a"])
    with pytest.raises(ValueError, match=r"."):
        reader.parse(f"a 1\n{text}\n")


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(exposition, "MAX_SERIES", 5)
    reader = Exposition(["a"])
    for i in range(100):
        assert found(reader, f'a{{x="{i}"}} {i}\n') == [("a", {"x": str(i)}, i)]
    assert len(reader._heads) <= 10
