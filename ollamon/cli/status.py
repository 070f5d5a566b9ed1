"""`ollamon status`: what runs and how it fares. It asks the supervisor and probes nothing."""

import time

import click

from ollamon.cli import table
from ollamon.cli.session import Session, common_options, pass_session
from ollamon.config.place import Place
from ollamon.errors import DegradedError, NotRunningError
from ollamon.supervisor import control
from ollamon.supervisor.messages import StackState, status_from_json


@click.command("status")
@common_options
@pass_session
def command(session: Session) -> int:
    """Show what runs; RST counts restarts.

    Exits 0 when all is ready, 5 when not, 3 when nothing runs.
    """
    place = session.place()
    try:
        status = status_from_json(control.ask(place.folders.runtime, "status"))
    except NotRunningError:
        raise NotRunningError(_not_running(place)) from None
    session.answer(table.document_of(status))
    if not session.is_json:
        session.say(table.lines_of(status, time.time(), session.style()))
    return 0 if status.state is StackState.READY else DegradedError.exit_code


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
