"""`ollamon wait [CHILD...]`: for scripts that need what others have started."""

import click

from ollamon.cli.running import chosen, named, status_of
from ollamon.cli.session import Session, common_options, duration_option, pass_session
from ollamon.cli.verbs import answer, children_argument, follow
from ollamon.errors import NotRunningError


@click.command("wait", short_help="Wait until children are ready, or stopped.")
@children_argument
@click.option(
    "--for",
    "goal",
    type=click.Choice(["ready", "stopped"]),
    default="ready",
    show_default=True,
    help="What to wait for.",
)
@duration_option("--timeout", "timeout_s", help="Give up after this long.  [default: never]")
@common_options
@pass_session
def command(
    session: Session, children: tuple[str, ...], goal: str, timeout_s: float | None
) -> None:
    """Wait until children are ready, or stopped; all of them when none is named.

    Exits 0 when they are, 1 when one has failed or the time is over, 5 when by then all run but not
    all are well, 3 when nothing runs to become ready.
    """
    place = session.place()
    try:
        with named(place):
            done = follow(session, chosen(status_of(place), children), goal, timeout_s)
    except NotRunningError:
        if goal == "ready":
            raise
        session.say(f"{place.name} is not running.")
        done = []
    answer(session, place.name, done)
