"""`ollamon stop [CHILD...]`: children alone; the rest and the supervisor go on."""

import click

from ollamon.cli.session import Session, common_options, duration_option, pass_session
from ollamon.cli.verbs import answer, carry_out, children_argument, no_dependents
from ollamon.errors import LeftoverError, StartError
from ollamon.supervisor.messages import ChildStatus


@click.command("stop", short_help="Stop children; the rest goes on.")
@children_argument
@duration_option(
    "--timeout",
    "timeout_s",
    help="Kill what is left after this long.  [default: each its own limit]",
)
@no_dependents
@common_options
@pass_session
def command(
    session: Session, children: tuple[str, ...], timeout_s: float | None, is_alone: bool
) -> None:
    """Stop children, after those that require them; the rest goes on.

    All of them when none is named. Waits until they are down. What stops the stack is
    `ollamon down`.
    """
    done = carry_out_stop(session, children, timeout_s, dependents=not is_alone)
    answer(session, session.place().name, done)


def carry_out_stop(
    session: Session, children: tuple[str, ...], timeout_s: float | None, *, dependents: bool
) -> list[ChildStatus]:
    """Stop children and wait for it; return them.

    Raises:
        LeftoverError: One cannot be ended.
        OllamonError: See `carry_out`.
    """
    arguments: dict[str, object] = {"dependents": dependents}
    if timeout_s is not None:
        arguments["timeout"] = timeout_s
    try:
        return carry_out(session, "stop", children, arguments, None)
    except StartError as error:
        raise LeftoverError(str(error)) from None
