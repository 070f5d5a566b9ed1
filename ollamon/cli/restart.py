"""`ollamon restart [CHILD...]`: at once, with counters at zero."""

import click

from ollamon.cli.running import await_other, named, status_of
from ollamon.cli.session import Session, common_options, pass_session
from ollamon.cli.verbs import (
    START_S,
    answer,
    carry_out,
    children_argument,
    follow,
    no_dependents,
    ready_timeout,
)
from ollamon.cli.words import Mark
from ollamon.errors import StartError
from ollamon.supervisor import control

# Everything stops first; longer than any sensible supervisor.shutdown_timeout.
PATIENCE_S = 300.0


@click.command("restart", short_help="Restart children, and wait until they are ready.")
@children_argument
@ready_timeout
@no_dependents
@click.option(
    "--supervisor",
    "is_all",
    is_flag=True,
    help="Stop everything and start it anew, the supervisor too, with its file and options.",
)
@common_options
@pass_session
def command(
    session: Session,
    children: tuple[str, ...],
    timeout_s: float | None,
    is_alone: bool,
    is_all: bool,
) -> None:
    """Restart children, with those that require them, and wait until they are ready.

    All of them when none is named. The supervisor itself goes on, and so do its addresses.
    """
    if is_all:
        if children or is_alone:
            raise click.UsageError("--supervisor restarts everything, so nothing else fits")
        _restart_all(session, START_S if timeout_s is None else timeout_s)
        return
    done = carry_out(session, "restart", children, {"dependents": not is_alone}, timeout_s)
    answer(session, session.place().name, done)


def _restart_all(session: Session, limit_s: float) -> None:
    place = session.place()
    runtime = place.folders.runtime
    with named(place):
        before = status_of(place)
        control.ask(runtime, "restart", {"supervisor": True}, PATIENCE_S)
        after = await_other(runtime, limit_s)
        if after is None:
            raise StartError(
                f"{place.name} has stopped, and did not come back within {limit_s:g} s; "
                f"see {place.folders.logs}/supervisor.log"
            )
        text = f"run {after.run_id} instead of {before.run_id}, pid {after.pid}"
        session.say(session.style().row(Mark.OK, "supervisor", text))
        done = follow(session, [child.name for child in after.children], "ready", limit_s)
    answer(session, place.name, done)
