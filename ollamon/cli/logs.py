"""`ollamon logs [CHILD...]`: the last lines of the log files, and those to come."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.errors import NotRunningError
from ollamon.supervisor import control

LINES = 50
# As the foreground view has it.
NAME = 10
POLL_S = 0.2
# No line of interest is longer, so this much of a file holds the last ones.
LINE_BYTES = 400
# Looks at the files after which it is asked whether the stack still runs.
ASK_EVERY = 10


@click.command("logs")
@click.argument("children", metavar="[CHILD]...", nargs=-1)
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on until the stack stops.")
@click.option("-n", "--lines", "count", default=LINES, type=click.IntRange(0), show_default=True)
@common_options
@pass_session
def command(session: Session, children: tuple[str, ...], is_following: bool, count: int) -> int:
    """Show what the children wrote, also after the stack was stopped."""
    place = session.place()
    running = _running(place.folders.runtime)
    files = _files(place.folders.logs, children, running)
    if not files and not running:
        raise NotRunningError(f"{place.name} is not running, and there is no log of it.")
    tails = [Tail(path) for path in files]
    shown = {tail.path.stem: tail.last(count) for tail in tails}
    if session.is_json:
        session.answer({"name": place.name, "lines": shown})
        return 0
    width = max([NAME, *map(len, shown)])
    for name, lines in shown.items():
        session.say(_prefixed(name, lines, width))
    while is_following and _running(place.folders.runtime):
        _follow(session, tails, width)
    return 0


@dataclass(slots=True)
class Tail:
    """The end of a growing file that may be replaced by a new one."""

    path: Path
    _at: int = 0
    _inode: int = 0
    _rest: str = field(default="")

    def last(self, count: int) -> list[str]:
        """Return the last lines, and go on behind them."""
        with self.path.open("rb") as file:
            facts = os.fstat(file.fileno())
            file.seek(max(0, facts.st_size - count * LINE_BYTES))
            data = file.read()
            self._at, self._inode = file.tell(), facts.st_ino
        *lines, self._rest = data.decode(errors="replace").split("\n")
        return lines[-count:] if count else []

    def more(self) -> list[str]:
        """Return the whole lines that came since."""
        try:
            with self.path.open("rb") as file:
                facts = os.fstat(file.fileno())
                if facts.st_ino != self._inode or facts.st_size < self._at:
                    self._at, self._inode, self._rest = 0, facts.st_ino, ""
                file.seek(self._at)
                data = file.read()
                self._at = file.tell()
        except FileNotFoundError:
            return []
        *lines, self._rest = (self._rest + data.decode(errors="replace")).split("\n")
        return lines


def _files(folder: Path, children: tuple[str, ...], running: set[str]) -> list[Path]:
    """Return the files to show; a child that runs and has written nothing yet has none."""
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    known = running | set(found)
    for name in children:
        if known and name not in known:
            raise click.BadParameter(f"{name}: there is a log of {', '.join(sorted(known))}")
    return [path for name, path in found.items() if not children or name in children]


def _follow(session: Session, tails: list[Tail], width: int) -> None:
    for _ in range(ASK_EVERY):
        for tail in tails:
            session.say(_prefixed(tail.path.stem, tail.more(), width))
        time.sleep(POLL_S)


def _running(runtime: Path) -> set[str]:
    """Return the names of the children of a stack that runs, else nothing."""
    try:
        return {child["name"] for child in control.ask(runtime, "status")["children"]}
    except NotRunningError:
        return set()


def _prefixed(name: str, lines: list[str], width: int) -> Iterator[str]:
    for line in lines:
        yield f"{name:<{width}} │ {line}"
