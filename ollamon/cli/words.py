"""Spans, sizes, marks and rows as people read them, without I/O."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

WIDTH = 80
NAME = 12
INDENT = " " * (NAME + 4)


class Mark(StrEnum):
    """What stands before a row."""

    OK = "✓"
    EXTERNAL = "●"
    WARN = "!"
    PROBLEM = "✗"


_COLOURS = {Mark.OK: "32", Mark.EXTERNAL: "36", Mark.WARN: "33", Mark.PROBLEM: "31"}


@dataclass(frozen=True, slots=True)
class Style:
    """How rows look.

    Attributes:
        width: Columns; 0 cuts and wraps nothing.
    """

    is_coloured: bool = False
    width: int = WIDTH

    def mark(self, mark: Mark) -> str:
        """Return the mark in its colour."""
        return self.paint(mark.value, _COLOURS[mark])

    def paint(self, text: str, code: str) -> str:
        """Return the text in an ANSI colour, where colours are wanted."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.is_coloured else text

    def row(self, mark: Mark, name: str, text: str, remedy: str = "") -> Iterator[str]:
        """A mark, a name, a text that is wrapped, and the command that helps."""
        first, *rest = self.wrap(text) or [""]
        yield f" {self.mark(mark)} {name:<{NAME}} {first}".rstrip()
        for line in rest:
            yield INDENT + line
        if remedy:
            # Never wrapped, so that it can be copied.
            yield f"{INDENT}→ {remedy}"

    def wrap(self, text: str, indent: int = len(INDENT)) -> list[str]:
        """Cut a text into lines that fit behind an indent."""
        if not self.width:
            return [text]
        room = max(20, self.width - indent)
        return textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=False)

    def cut(self, line: str) -> str:
        """Return what of a line fits."""
        return line if not self.width or len(line) <= self.width else line[: self.width - 1] + "…"


def elapsed(seconds: float) -> str:
    """Return a short span: `171 ms`, `1.3 s`, `12 s`, `4 m 10 s`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else uptime(seconds)


def uptime(seconds: float) -> str:
    """Return a long span by its two highest units: `12 s`, `2 h 14 m`, `3 d 4 h`."""
    whole = max(0, int(seconds))
    for size, unit, next_size, next_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {unit} {rest} {next_unit}"
    return f"{whole} s"


def memory(size: int) -> str:
    """Return a size: `61 MB`, `1.2 GB`."""
    megabytes = size / 1e6
    return f"{megabytes:.0f} MB" if megabytes < 999.5 else f"{megabytes / 1000:.1f} GB"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 error`, `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
