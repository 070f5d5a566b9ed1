"""`ollamon reload`: what runs becomes what the configuration says now."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from ollamon.cli.running import named, status_of
from ollamon.cli.session import Session, common_options, pass_session
from ollamon.cli.verbs import START_S, follow, ready_timeout
from ollamon.cli.words import Mark, Style
from ollamon.supervisor import control
from ollamon.supervisor.changes import Action

if TYPE_CHECKING:
    from ollamon.cli.shapes import Reload

# Reading the file has a limit of its own in the supervisor, which is shorter.
PATIENCE_S = 90.0

_WORDS = {
    Action.KEEP: "unchanged",
    Action.ADJUST: "adjusted, without a restart",
    Action.SIGNAL: "told to read its files anew, without a restart",
    Action.RESTART: "restarted",
    Action.START: "started",
    Action.STOP: "stopped",
}


@click.command("reload")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@ready_timeout
@common_options
@pass_session
def command(session: Session, dry_run: bool, timeout_s: float | None) -> None:
    """Read the configuration again and restart only what it changes.

    The file, variables and options are those with which the stack was started. A wrong file changes
    nothing.
    """
    place = session.place()
    with named(place):
        check_file(session, status_of(place).config_file)
        request = {"dry_run": dry_run}
        plan = control.list_of(
            control.ask(place.folders.runtime, "reload", request, PATIENCE_S), "plan"
        )
        session.say(_rows(plan, session.style()))
        if dry_run:
            session.say("Nothing was changed.")
        elif begun := [each["name"] for each in plan if each["action"] in ("start", "restart")]:
            follow(session, begun, "ready", START_S if timeout_s is None else timeout_s)
    document: Reload = {"name": place.name, "dry_run": dry_run, "plan": plan}
    session.answer(document)


def check_file(session: Session, running: str) -> None:
    """Refuse another file than the one that is `running`. Raises UsageError: It is another."""
    if session.file is None:
        return
    from ollamon.config import files, paths

    path, _ = paths.find_file(session.file)
    if path is not None and files.shown(path) != running:
        raise click.UsageError(
            f"it runs with {running or 'no file'}, which is what reload reads; to run with "
            f"{files.shown(path)}: ollamon down, then ollamon --config {session.file} up"
        )


def _rows(plan: Sequence[dict[str, Any]], style: Style) -> Iterator[str]:
    for each in plan:
        action = Action(each["action"])
        why = f": {', '.join(each['fields'])}" if each["fields"] else ""
        mark = Mark.OK if action is Action.KEEP else Mark.EXTERNAL
        yield from style.row(mark, each["name"], f"{_WORDS[action]}{why}")
