"""Chosen lines of a child's log, over all its files, and those that come later."""

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ollamon.supervisor import logfiles, marks
from ollamon.supervisor.marks import Part, Slice

# Most lines are shorter, so this much for each holds the last ones at the first look.
LINE_BYTES = 400
LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        t: Unix time, to a second; None when nobody knows.
    """

    t: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines are wanted.

    Attributes:
        count: The last ones; None is all.
        since: Unix time; None is from the beginning.
        is_previous: Those of the incarnation that has ended last.
        pattern: Only those in which it is found.
    """

    count: int | None = None
    since: float | None = None
    is_previous: bool = False
    pattern: re.Pattern[str] | None = None

    def takes(self, line: Line) -> bool:
        """Say whether the pattern is in it."""
        return self.pattern is None or self.pattern.search(line.text) is not None

    def cut(self, lines: list[Line]) -> list[Line]:
        """Return the last ones."""
        return lines if self.count is None else lines[len(lines) - min(len(lines), self.count) :]


def lines_of(parts: Sequence[Part], choice: Choice) -> list[Line]:
    """Return the chosen lines of a log.

    Args:
        parts: Its files, see `logfiles.parts`.
        choice: Which lines.
    """
    if choice.is_previous:
        slices = marks.previous(parts)
    elif choice.since is not None:
        slices = marks.since(parts, choice.since)
    elif choice.count is not None and choice.pattern is None:
        return _last(parts, choice.count)
    else:
        slices = _all(parts)
    return choice.cut([line for line in _read(parts, slices) if choice.takes(line)])


def _all(parts: Sequence[Part]) -> list[Slice]:
    return [Slice(part.path, 0, part.size) for part in parts]


def _last(parts: Sequence[Part], count: int) -> list[Line]:
    """Read backwards, twice as much each time, until there are enough."""
    size = sum(part.size for part in parts)
    wanted = (count + 1) * LINE_BYTES
    while True:
        lines = list(_read(parts, _end_of(parts, wanted)))
        # The first one may be without its beginning.
        if wanted >= size or len(lines) > count:
            return Choice(count).cut(lines)
        wanted *= 2


def _end_of(parts: Sequence[Part], size: int) -> list[Slice]:
    """The last bytes of all files together."""
    slices: list[Slice] = []
    for part in reversed(parts):
        taken = min(size, part.size)
        size -= taken
        if taken:
            slices.insert(0, Slice(part.path, part.size - taken, part.size))
    return slices


def _read(parts: Sequence[Part], slices: Sequence[Slice]) -> Iterator[Line]:
    """The lines of slices; one that was cut by a rotation is whole again."""
    rest, began = b"", None
    for piece in slices:
        time_of = _clock(next(part for part in parts if part.path == piece.path))
        try:
            data = logfiles.read(piece)
        except OSError:
            # Rotated away in the meantime.
            continue
        offset = piece.begin
        *whole, last = data.split(b"\n")
        for line in whole:
            yield Line(began if rest else time_of(offset), _text(rest + line))
            offset += len(line) + 1
            rest = b""
        began = began if rest else time_of(offset)
        rest += last
    if rest:
        yield Line(began, _text(rest))


def _clock(part: Part) -> Callable[[int], float | None]:
    offsets = [mark.offset for mark in part.marks]

    def time_of(offset: int) -> float | None:
        place = bisect_right(offsets, offset)
        return part.marks[place - 1].t if place else None

    return time_of


def _text(data: bytes) -> str:
    return data.rstrip(b"\r").decode(errors="replace")


def without_unfinished(parts: Sequence[Part]) -> list[Part]:
    """Leave out a last line that has no end yet."""
    if not parts:
        return []
    *others, last = parts
    begin = max(0, last.size - LONGEST)
    end = logfiles.read(Slice(last.path, begin, last.size)).rfind(b"\n") + 1
    return [*others, replace(last, size=begin + end) if end or not begin else last]


class Tail:
    """What is added to a growing file, which may be replaced by a new one."""

    def __init__(self, path: Path, at: int) -> None:
        """Go on at an offset."""
        self._path = path
        self._at = at
        self._inode = 0
        self._rest = b""

    def more(self) -> list[str]:
        """Return the whole lines that came since the last look."""
        try:
            with self._path.open("rb") as file:
                facts = os.fstat(file.fileno())
                if (self._inode and facts.st_ino != self._inode) or facts.st_size < self._at:
                    self._at, self._rest = 0, b""
                self._inode = facts.st_ino
                file.seek(self._at)
                data = file.read()
                self._at = file.tell()
        except FileNotFoundError:
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [_text(line) for line in lines]
