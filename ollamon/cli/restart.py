"""`ollamon restart [CHILD...]`: at once, with counters at zero."""

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.cli.verbs import answer, carry_out, children_argument, no_dependents, ready_timeout


@click.command("restart", short_help="Restart children, and wait until they are ready.")
@children_argument
@ready_timeout
@no_dependents
@common_options
@pass_session
def command(
    session: Session, children: tuple[str, ...], timeout_s: float | None, is_alone: bool
) -> None:
    """Restart children, with those that require them, and wait until they are ready.

    All of them when none is named. The supervisor itself goes on, and so do its addresses.
    """
    done = carry_out(session, "restart", children, {"dependents": not is_alone}, timeout_s)
    answer(session, session.place().name, done)
