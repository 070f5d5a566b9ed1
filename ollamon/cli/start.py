"""`ollamon start [CHILD...]`: children that do not run, with what they require."""

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.cli.verbs import answer, carry_out, children_argument, ready_timeout


@click.command("start", short_help="Start children that were stopped or have failed.")
@children_argument
@ready_timeout
@common_options
@pass_session
def command(session: Session, children: tuple[str, ...], timeout_s: float | None) -> None:
    """Start children that were stopped or have failed, with those that they require.

    All of them when none is named. Waits until they are ready. What starts the stack is
    `ollamon up`.
    """
    done = carry_out(session, "start", children, {}, timeout_s)
    answer(session, session.place().name, done)
