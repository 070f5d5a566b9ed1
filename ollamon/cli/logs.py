"""`ollamon logs [CHILD...]`: lines of the log files, and those to come."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ollamon.cli.loglines import Choice, Line, Tail, lines_of, without_unfinished
from ollamon.cli.running import complete_child
from ollamon.cli.session import Session, common_options, duration_option, pass_session
from ollamon.errors import NotRunningError, OllamonError
from ollamon.supervisor import control, logfiles
from ollamon.supervisor.terminal import plain

if TYPE_CHECKING:
    from ollamon.cli import shapes

LINES = 50
# As the foreground view has it.
NAME = 10
POLL_S = 0.2
# Looks at the files after which it is asked whether the stack still runs.
ASK_EVERY = 10
# What is no child's: `up -d` and a service manager write there what the supervisor says.
NOT_CHILDREN = frozenset({"supervisor", "service"})


def _pattern(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> re.Pattern[str] | None:
    try:
        return None if value is None else re.compile(value)
    except re.error as error:
        raise click.BadParameter(f"{value!r}: {error}", context, parameter) from None


@click.command("logs", short_help="Show what the children wrote, also after they ended.")
@click.argument("children", metavar="[CHILD]...", nargs=-1, shell_complete=complete_child)
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on until the stack stops.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(0),
    help=f"The last ones of each.  [default: {LINES}; all with --since and --previous]",
)
@duration_option("--since", "since_s", help="What was written in the last so much time.")
@click.option("--grep", "pattern", metavar="REGEX", callback=_pattern, help="Lines that match.")
@click.option(
    "--previous", "is_previous", is_flag=True, help="Of the process that ended last of each."
)
@click.option("--timestamps", "has_times", is_flag=True, help="When each was written, to a second.")
@click.option("--no-prefix", is_flag=True, help="Without the name of the child.")
@click.option("--supervisor", "is_own", is_flag=True, help="What the supervisor itself says.")
@common_options
@pass_session
def command(
    session: Session,
    children: tuple[str, ...],
    is_following: bool,
    count: int | None,
    since_s: float | None,
    pattern: re.Pattern[str] | None,
    is_previous: bool,
    has_times: bool,
    no_prefix: bool,
    is_own: bool,
) -> None:
    """Show what the children wrote, also after the stack was stopped."""
    if is_previous and (is_following or since_s is not None):
        raise click.UsageError("--previous goes with neither --follow nor --since")
    if count is None and since_s is None and not is_previous:
        count = LINES
    choice = Choice(count, since_s and time.time() - since_s, is_previous, pattern)
    place = session.place()
    folder, runtime = place.folders.logs, place.folders.runtime
    names = _names(folder, children, runtime, is_own=is_own)
    if not names and not _is_running(runtime):
        raise NotRunningError(f"{place.name} is not running, and there is no log of it.")
    view = _View(session, place.name, names, has_times=has_times, has_prefix=not no_prefix)
    parts = {name: logfiles.parts(folder, name) for name in names}
    if is_following:
        parts = {name: without_unfinished(found) for name, found in parts.items()}
    view.show({name: lines_of(found, choice) for name, found in parts.items()})
    if is_following:
        ends = {name: found[-1].size if found else 0 for name, found in parts.items()}
        tails = {name: Tail(folder / f"{name}.log", end) for name, end in ends.items()}
        while _is_running(runtime):
            for _ in range(ASK_EVERY):
                view.show_more(_more(tails, replace(choice, count=None)))
                time.sleep(POLL_S)
        view.show_more(_more(tails, choice))


class _View:
    """How lines are shown."""

    def __init__(
        self,
        session: Session,
        stack: str,
        names: Iterable[str],
        *,
        has_times: bool,
        has_prefix: bool,
    ) -> None:
        self._session = session
        self._stack = stack
        self._width = max([NAME, *map(len, names)])
        self._has_times = has_times
        self._has_prefix = has_prefix
        self._is_plain = not session.style().is_coloured

    def show(self, lines: Mapping[str, list[Line]]) -> None:
        """Print them, and the one object."""
        if not self._session.is_json:
            for name, each in lines.items():
                self._session.say(self._line(name, line) for line in each)
        document: shapes.Logs = {
            "name": self._stack,
            "lines": {name: [self._text(line) for line in each] for name, each in lines.items()},
        }
        self._session.answer(document)

    def show_more(self, lines: Mapping[str, list[Line]]) -> None:
        """The same, when there are some."""
        if some := {name: each for name, each in lines.items() if each}:
            self.show(some)

    def _line(self, name: str, line: Line) -> str:
        prefix = f"{name:<{self._width}} │ " if self._has_prefix else ""
        text = self._text(line)
        return prefix + (plain(text.encode()).decode() if self._is_plain else text)

    def _text(self, line: Line) -> str:
        if not self._has_times:
            return line.text
        at = "?" if line.t is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.t))
        return f"{at:<19} {line.text}"


def _more(tails: Mapping[str, Tail], choice: Choice) -> dict[str, list[Line]]:
    now = time.time()
    new = {name: [Line(now, text) for text in tail.more()] for name, tail in tails.items()}
    return {name: [line for line in lines if choice.takes(line)] for name, lines in new.items()}


def _names(folder: Path, children: tuple[str, ...], runtime: Path, *, is_own: bool) -> list[str]:
    """Return whose lines are shown; a child that runs and has written nothing yet has none.

    Raises:
        click.BadParameter: There is no such child.
    """
    found = {path.stem for path in folder.glob("*.log")}
    if is_own:
        return sorted(found & NOT_CHILDREN)
    known = sorted((found | _children(runtime)) - NOT_CHILDREN)
    for name in children:
        if known and name not in known:
            raise click.BadParameter(f"no log of {name!r}; there is one of {', '.join(known)}")
    return [name for name in known if not children or name in children]


def _children(runtime: Path) -> set[str]:
    """Return the names of the children that run, as far as they are told."""
    try:
        return {str(child["name"]) for child in control.ask(runtime, "status")["children"]}
    except (OllamonError, LookupError, TypeError):
        return set()


def _is_running(runtime: Path) -> bool:
    """Whatever version it is of, and even when it is silent."""
    try:
        control.ask(runtime, "status")
    except NotRunningError:
        return False
    except OllamonError:
        return True
    return True
