"""Finds what somebody who is not root could change, of all that the helper runs."""

import os
import site
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

Lstat = Callable[[Path], os.stat_result]
_FOREIGN_WRITE = stat.S_IWGRP | stat.S_IWOTH


def own_files() -> list[Path]:
    """Return what decides what the helper does: Python, its libraries, and ourselves."""
    return [
        Path(sys.executable),
        Path(sys.prefix) / "pyvenv.cfg",
        Path(__file__).parents[1],
        Path(os.__file__).parent,
        *map(Path, site.getsitepackages()),
    ]


def changeable(paths: Iterable[Path], lstat: Lstat = os.lstat) -> Path | None:
    """Return the first file or folder, of these, above or below, that not only root can change.

    What we may not even look at is passed over: who runs it cannot get there either.
    """
    for path in paths:
        for each in (*_above(path), *_below(path)):
            if _is_changeable(each, lstat):
                return each
    return None


def _above(path: Path) -> Iterator[Path]:
    """The path and its folders, from the top; behind a link the same for where it leads."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - a link must stay a link
    yield from reversed(absolute.parents)
    yield absolute
    resolved = Path(os.path.realpath(absolute))
    if resolved != absolute:
        # Links in between are root's own by now, or have been told.
        yield from reversed(resolved.parents)
        yield resolved


def _below(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))


def _is_changeable(path: Path, lstat: Lstat) -> bool:
    try:
        facts = lstat(path)
    except OSError:
        return False
    if facts.st_uid != 0:
        return True
    # The mode of a link means nothing: it can only be replaced, which is a matter of its folder.
    return not stat.S_ISLNK(facts.st_mode) and bool(facts.st_mode & _FOREIGN_WRITE)
