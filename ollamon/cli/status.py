"""`ollamon status`: what runs and how it fares. It asks the supervisor and probes nothing."""

import time
from collections.abc import Sequence
from dataclasses import replace

import click

from ollamon import __version__
from ollamon.cli import table
from ollamon.cli.running import chosen, status_of
from ollamon.cli.session import Session, common_options, duration_option, pass_session
from ollamon.cli.verbs import children_argument
from ollamon.config.place import Place
from ollamon.errors import DegradedError, NotRunningError, OllamonError
from ollamon.supervisor.messages import ChildState, StackState, StackStatus

INTERVAL_S = 2.0
CLEAR = "\x1b[H\x1b[J"


@click.command("status")
@children_argument
@click.option("-w", "--watch", "is_watching", is_flag=True, help="Look again and again.")
@duration_option("--interval", "interval_s", help="How often, with --watch.  [default: 2s]")
@click.option("--wide", is_flag=True, help="Further columns; no line is cut.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit code says it.")
@common_options
@pass_session
def command(
    session: Session,
    children: tuple[str, ...],
    is_watching: bool,
    interval_s: float | None,
    wide: bool,
    quiet: bool,
) -> int:
    """Show what runs; RST counts restarts.

    Exits 0 when all is ready, 5 when not, 3 when nothing runs. With CHILD only those are looked at.
    """
    place = session.place()
    while True:
        try:
            status = _only(_ask(place), children)
        except OllamonError as error:
            if quiet:
                return error.exit_code
            raise
        if not quiet:
            _show(session, status, is_wide=wide, is_again=is_watching)
        if not is_watching:
            return 0 if _is_fine(status, children) else DegradedError.exit_code
        time.sleep(INTERVAL_S if interval_s is None else interval_s)


def _ask(place: Place) -> StackStatus:
    try:
        return status_of(place)
    except NotRunningError:
        raise NotRunningError(_not_running(place)) from None


def _only(status: StackStatus, names: Sequence[str]) -> StackStatus:
    names = chosen(status, names)
    kept = tuple(child for child in status.children if child.name in names)
    return replace(status, children=kept)


def _is_fine(status: StackStatus, names: Sequence[str]) -> bool:
    if names:
        return all(child.state is ChildState.READY for child in status.children)
    return status.state is StackState.READY


def _show(session: Session, status: StackStatus, *, is_wide: bool, is_again: bool) -> None:
    session.answer(table.document_of(status))
    if session.is_json:
        return
    style = session.style()
    lines = list(table.lines_of(status, time.time(), style, is_wide=is_wide))
    if status.version != __version__:
        lines.append(f"This command is ollamon {__version__}, what runs is {status.version}.")
    head = CLEAR if is_again and session.stream.isatty() else ""
    session.say(head + "\n".join(lines))


def _not_running(place: Place) -> str:
    lines = [f"{place.name} is not running."]
    if not (place.folders.runtime / "run.json").exists():
        return lines[0]
    # Only now, since it imports psutil.
    from ollamon.supervisor.leftovers import leftovers

    if found := leftovers(place.folders.runtime):
        names = ", ".join(f"{leftover.name} pid {leftover.pid}" for leftover in found)
        lines.append(f"       Left of a run that died ({found[0].run_id}): {names}.")
        lines.append("       Remove them with  ollamon down  or start again with  ollamon up.")
    return "\n".join(lines)
