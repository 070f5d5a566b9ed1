"""When the bytes of a log were written, and by which incarnation of its child, without I/O.

Logs hold what children write, as it is. Beside `x.log` lies `x.marks`, and beside `x.log.1`
`x.marks.1`: lines of `OFFSET UNIX_TIME WORD...`, where the word is `start RUN_ID PID`, `end`, or
`time`. Bytes are marked at least once in `RESOLUTION_S` while there are some.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

RESOLUTION_S = 1.0
START, END, TIME = "start", "end", "time"


@dataclass(frozen=True, slots=True)
class Mark:
    """From `offset` on it was `t` or later.

    Attributes:
        offset: Bytes from the beginning of the file.
        t: Unix time.
        what: `start`, `end` or `time`.
        run_id: Of the run that started an incarnation, else "".
        pid: Of the incarnation that starts, else None.
    """

    offset: int
    t: float
    what: str = TIME
    run_id: str = ""
    pid: int | None = None

    def encode(self) -> bytes:
        """Return its line."""
        words = [str(self.offset), f"{self.t:.3f}", self.what]
        words += [self.run_id, str(self.pid)] if self.what == START else []
        return " ".join(words).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a log with its marks."""

    path: Path
    size: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes of a file."""

    path: Path
    begin: int
    end: int


def parse(text: str) -> tuple[Mark, ...]:
    """Read marks; lines that are none are skipped, and what an older file had is forgotten."""
    marks: list[Mark] = []
    for line in text.splitlines():
        mark = _parse_line(line)
        if mark is None:
            continue
        if marks and mark.offset < marks[-1].offset:
            # The log was moved away, and this is another file.
            marks.clear()
        marks.append(mark)
    return tuple(marks)


def since(parts: Sequence[Part], t: float) -> list[Slice]:
    """Return what was written at `t` (Unix time) or later; oldest first, as `parts` are.

    It may begin up to `RESOLUTION_S` too early. Bytes without a mark are older than all others.
    """
    slices = []
    for part in parts:
        begin = next((mark.offset for mark in part.marks if mark.t + RESOLUTION_S > t), part.size)
        slices.append(Slice(part.path, begin, part.size))
    return _whole(slices)


def previous(parts: Sequence[Part]) -> list[Slice]:
    """Return what the last incarnation wrote that has ended; nothing when none is known to."""
    places = list(_places(parts))
    ends = [place for place in places if place[1].what == END]
    if not ends:
        return []
    last, end = ends[-1]
    starts = [place for place in places[: places.index(ends[-1])] if place[1].what == START]
    first, begin = starts[-1] if starts else (0, Mark(0, 0.0))
    return _whole(
        Slice(
            part.path,
            begin.offset if number == first else 0,
            end.offset if number == last else part.size,
        )
        for number, part in enumerate(parts)
        if first <= number <= last
    )


def _places(parts: Sequence[Part]) -> Iterator[tuple[int, Mark]]:
    for number, part in enumerate(parts):
        for mark in part.marks:
            yield number, mark


def _whole(slices: Iterator[Slice] | list[Slice]) -> list[Slice]:
    return [each for each in slices if each.begin < each.end]


def _parse_line(line: str) -> Mark | None:
    match line.split():
        case [offset, t, what] if what in (END, TIME):
            rest: tuple[str, int | None] = ("", None)
        case [offset, t, what, run_id, pid] if what == START and pid.isdecimal():
            rest = (run_id, int(pid))
        case _:
            return None
    try:
        return Mark(int(offset), float(t), what, *rest) if offset.isdecimal() else None
    except ValueError:
        return None
