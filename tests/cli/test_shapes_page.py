"""docs/cli.md says what is printed."""

import pytest

from ollamon.cli.shapes_page import common_lines, lines_for


def test_a_key_has_its_type_and_its_meaning():
    lines = list(lines_for("version"))
    assert "| `running` | text or null | of the supervisor that runs |" in lines
    assert "| `children` | list of `Child` | all that it concerned |" in list(lines_for("start"))
    assert "| `lines` | table of list of text | child: its lines |" in list(lines_for("logs"))


def test_shapes_within_shapes_are_told_once():
    lines = list(common_lines())
    assert lines[2:5] == [
        "| `v` | whole number | 1; another one when a key is taken away or means something else |",
        "| `ok` | true or false | whether code is 0 |",
        "| `code` | whole number | the exit code |",
    ]
    titles = [line for line in lines if line.startswith("`")]
    assert len(titles) == len(set(titles))
    assert "`Health`: The last sign of life." in titles


def test_a_command_without_a_shape_is_found():
    with pytest.raises(KeyError):
        list(lines_for("nothing"))
