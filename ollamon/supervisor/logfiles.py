"""Finds the files of a child's log, with what `marks` tells of them."""

import contextlib
import re
from pathlib import Path

from ollamon.supervisor.marks import Part, Slice, parse


def parts(folder: Path, name: str) -> list[Part]:
    """Return the files of a child's log, oldest first; none when it has written nothing."""
    numbers = [_number(path.name, name) for path in folder.glob(f"{name}.log*")]
    found = []
    for number in sorted((n for n in numbers if n is not None), reverse=True):
        path, marks = (folder / _numbered(f"{name}.{kind}", number) for kind in ("log", "marks"))
        text = ""
        with contextlib.suppress(OSError):
            text = marks.read_text(errors="replace")
        # It may be rotated away at this very moment.
        with contextlib.suppress(FileNotFoundError):
            found.append(Part(path, path.stat().st_size, parse(text)))
    return found


def read(piece: Slice) -> bytes:
    """Return the bytes of a slice. Raises OSError: The file is gone."""
    with piece.path.open("rb") as file:
        file.seek(piece.begin)
        return file.read(piece.end - piece.begin)


def _number(file: str, name: str) -> int | None:
    match = re.fullmatch(rf"{re.escape(name)}\.log(?:\.(\d+))?", file)
    return int(match[1] or 0) if match else None


def _numbered(file: str, number: int) -> str:
    return f"{file}.{number}" if number else file
