import pytest

from ollamon.cli.words import Mark, Style, count, elapsed, memory, uptime


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0384, "38 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1.26, "1.3 s"),
        (9.94, "9.9 s"),
        (9.96, "9 s"),
        (75, "1 m 15 s"),
    ],
)
def test_a_short_span(seconds, text):
    assert elapsed(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 m 0 s"), (8040, "2 h 14 m"), (273600, "3 d 4 h")],
)
def test_a_long_span_has_two_units(seconds, text):
    assert uptime(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(61_000_000, "61 MB"), (999_400_000, "999 MB"), (1_200_000_000, "1.2 GB")]
)
def test_memory(size, text):
    assert memory(size) == text


def test_a_number_has_its_noun():
    assert [count(number, "error") for number in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]


def test_a_row_is_wrapped_behind_its_name_but_a_command_never_is():
    command = "x" * 100
    lines = list(Style().row(Mark.WARN, "ollama", "word " * 30, command))
    assert lines[0].startswith(" ! ollama       word word")
    assert all(line.startswith(" " * 16) for line in lines[1:])
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1] == " " * 16 + "→ " + command


def test_an_address_is_never_broken():
    address = "http://" + "box." * 30 + "lan:11434"
    assert any(address in line for line in Style().row(Mark.WARN, "ollama", f"no {address} there"))


def test_without_a_width_nothing_is_wrapped_or_cut():
    style = Style(width=0)
    assert len(list(style.row(Mark.OK, "a", "word " * 100))) == 1
    assert style.cut("x" * 500) == "x" * 500
    assert Style(width=10).cut("x" * 11) == "x" * 9 + "…"


def test_colours_are_there_only_when_wanted():
    assert Style(True).mark(Mark.OK) == "\x1b[32m✓\x1b[0m"
    assert Style(False).mark(Mark.OK) == "✓"
