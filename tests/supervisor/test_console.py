import asyncio
import io
import os
import re
from collections.abc import Iterator

import pytest

from ollamon.supervisor.console import MAX_LINE, Console
from ollamon.supervisor.terminal import wants_colour

NAMES = ("proxy", "a-very-long-name")


class Pipe:
    """A pipe as a text stream, and what came out of it."""

    def __init__(self) -> None:
        self.read_end, write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.stream = os.fdopen(write_end, "w")

    def read(self) -> str:
        data = b""
        try:
            while chunk := os.read(self.read_end, 1 << 20):
                data += chunk
        except BlockingIOError:
            pass
        return data.decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.stream.close()
    os.close(made.read_end)


def console_on(stream: io.TextIOBase, *, is_coloured: bool = False) -> Console:
    return Console(asyncio.get_running_loop(), stream, NAMES, is_coloured=is_coloured)  # type: ignore[arg-type]


async def test_whole_lines_come_with_padded_names(pipe):
    console = console_on(pipe.stream)
    console.show("proxy", b"one\r\ntw")
    console.show("a-very-long-name", b"other\n")
    console.show("proxy", b"o\n")
    console.show("proxy", b"rest")
    console.end_line("proxy")
    console.close()
    assert pipe.read().splitlines() == [
        "proxy            │ one",
        "a-very-long-name │ other",
        "proxy            │ two",
        "proxy            │ rest",
    ]


async def test_colours_are_for_terminals(pipe):
    plain, bright = io.StringIO(), io.StringIO()
    console_on(plain).show("proxy", b"\x1b[31mred\x1b[0m\x1b]0;title\x07\n")
    console_on(bright, is_coloured=True).show("proxy", b"\x1b[31mred\n")
    assert plain.getvalue() == "proxy            │ red\n"
    assert bright.getvalue() == "\x1b[36mproxy            │ \x1b[0m\x1b[31mred\x1b[0m\n"


async def test_a_line_without_end_is_cut(pipe):
    stream = io.StringIO()
    console = console_on(stream)
    for _ in range(5):
        console.show("proxy", b"x" * MAX_LINE)
    assert len(stream.getvalue().splitlines()) >= 2
    assert max(map(len, stream.getvalue().splitlines())) <= MAX_LINE + 20


async def test_a_reader_that_does_not_read_costs_lines_and_is_told(pipe):
    console = console_on(pipe.stream)
    for _ in range(100):
        console.show("proxy", b"0123456789\n" * 1000)
    text = ""
    async with asyncio.timeout(20):
        while "lines not shown" not in text:
            text += pipe.read()
            await asyncio.sleep(0)
    console.close()
    *shown, last = text.splitlines()
    count = int(last.partition("… ")[2].removesuffix(" lines not shown").replace(" ", ""))
    assert len(shown) + count == 100_000
    assert set(shown) == {"proxy            │ 0123456789"}


async def test_the_shells_own_descriptor_stays_blocking(pipe):
    console = console_on(pipe.stream)
    assert os.get_blocking(pipe.stream.fileno())
    console.close()


async def test_a_reader_that_is_gone_is_no_error():
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as stream:
        console = console_on(stream)
        console.show("proxy", b"one\n")
        console.close()


async def test_a_plain_file_shares_its_offset_with_other_writers(tmp_path):
    path = tmp_path / "file"
    with path.open("w") as stream:
        console = console_on(stream)
        stream.write("first\n")
        stream.flush()
        console.show("proxy", b"x" * 2000 + b"\n")
        stream.write("last\n")
        stream.flush()
        console.close()
    assert path.read_text().splitlines() == ["first", "proxy            │ " + "x" * 2000, "last"]


def test_no_color_and_force_color_are_heard(monkeypatch, pipe):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    leader, follower = os.openpty()
    with os.fdopen(follower, "w") as terminal:
        assert wants_colour(terminal)
        assert not wants_colour(pipe.stream)
        monkeypatch.setenv("NO_COLOR", "1")
        assert not wants_colour(terminal)
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert wants_colour(pipe.stream)
    os.close(leader)


async def test_each_line_has_its_time_where_that_is_wished(pipe):
    console = Console(
        asyncio.get_running_loop(), pipe.stream, NAMES, is_coloured=False, has_timestamps=True
    )
    console.show("proxy", b"one\ntwo\n")
    console.close()
    lines = pipe.read().splitlines()
    assert [re.sub(r"^\d\d:\d\d:\d\d\.\d{3} ", "", line).split(" │ ")[1] for line in lines] == [
        "one",
        "two",
    ]
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} proxy ", line) for line in lines)


async def test_a_child_that_came_later_is_shown_too(pipe):
    console = console_on(pipe.stream)
    console.show("proxy", b"begun")
    console.know(["later"])
    console.show("later", b"hello\n")
    console.show("proxy", b" and done\n")
    console.close()
    assert [line.split("│ ")[1] for line in pipe.read().splitlines()] == ["hello", "begun and done"]
