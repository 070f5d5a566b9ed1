"""Where each key of a TOML file stands: key path -> line and column, without I/O.

`tomllib` gives positions for syntax errors only. This scanner runs after it, on text that is known
to be valid TOML, so it may skip over values without understanding them.
"""

import re
from dataclasses import dataclass

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[A-Za-z0-9_-]+')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_PLAIN = re.compile(r"[^\n#\[\]{}\"',]+")


@dataclass(frozen=True, slots=True)
class Position:
    """Lines and columns count from 1; `width` is the key's length in characters."""

    line: int
    column: int
    value_column: int
    width: int


def scan(text: str) -> dict[str, Position]:
    """Return the position of every key and table of valid TOML, by dotted path."""
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._table: tuple[str, ...] = ()
        self._found: dict[str, Position] = {}

    def run(self) -> dict[str, Position]:
        while True:
            self._skip(_SPACE)
            if self._at >= len(self._text):
                return self._found
            if self._text[self._at] == "[":
                self._header()
            else:
                self._pair()

    def _header(self) -> None:
        while self._text.startswith("[", self._at):
            self._at += 1
        start, self._table = self._key()
        self._note(self._table, start, start)
        while self._text.startswith("]", self._at):
            self._at += 1

    def _pair(self) -> None:
        start, key = self._key()
        end = self._at
        self._skip(_BLANK)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._note((*self._table, *key), start, self._at, end - start)
        self._value()

    def _key(self) -> tuple[int, tuple[str, ...]]:
        self._skip(_BLANK)
        start, parts = self._at, []
        while match := _PART.match(self._text, self._at):
            parts.append(match[0].strip("\"'"))
            self._at = match.end()
            rest = re.compile(r"[ \t]*\.[ \t]*").match(self._text, self._at)
            if not rest:
                break
            self._at = rest.end()
        return start, tuple(parts)

    def _value(self) -> None:
        """Skip one value; a newline ends it outside brackets."""
        depth = 0
        while self._at < len(self._text):
            letter = self._text[self._at]
            if depth == 0 and letter in "\n#":
                return
            if match := (_STRING.match(self._text, self._at) or _PLAIN.match(self._text, self._at)):
                self._at = match.end()
                continue
            if letter == "#":
                self._skip(_SPACE)
                continue
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(letter, 0)
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _note(self, path: tuple[str, ...], start: int, value: int, width: int = 0) -> None:
        line_start = self._text.rfind("\n", 0, start) + 1
        position = Position(
            line=self._text.count("\n", 0, start) + 1,
            column=start - line_start + 1,
            value_column=value - line_start + 1,
            width=max(width, len(".".join(path)) if not width else 0, 1),
        )
        self._found.setdefault(".".join(path), position)
