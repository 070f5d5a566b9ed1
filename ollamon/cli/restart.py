"""`ollamon restart [CHILD...]`: at once, with counters at zero, and wait until they are ready."""

import time
from collections.abc import Callable

import click

from ollamon.cli.session import Session, common_options, pass_session, seconds_of
from ollamon.cli.words import Mark, elapsed
from ollamon.errors import NotRunningError, StartError
from ollamon.supervisor import control
from ollamon.supervisor.messages import ChildState, ChildStatus, StackStatus, status_from_json

TIMEOUT_S = 60.0
POLL_S = 0.05


@click.command("restart")
@click.argument("children", metavar="[CHILD]...", nargs=-1)
@click.option(
    "--timeout",
    "timeout_s",
    metavar="DURATION",
    callback=seconds_of,
    help="Give up waiting after this long.  [default: 60s]",
)
@common_options
@pass_session
def command(session: Session, children: tuple[str, ...], timeout_s: float | None) -> int:
    """Restart children, all of them when none is named, and wait until they are ready."""
    place = session.place()
    runtime = place.folders.runtime
    limit_s = TIMEOUT_S if timeout_s is None else timeout_s

    def look() -> StackStatus:
        return status_from_json(control.ask(runtime, "status"))

    try:
        before = {child.name: child for child in look().children}
        names = children or tuple(before)
        if unknown := [name for name in names if name not in before]:
            raise click.BadParameter(f"{unknown[0]}: there is {', '.join(before)}")
        for name in names:
            began = time.monotonic()
            control.ask(runtime, "restart", {"children": [name]})
            child = _await_ready(look, before[name], began + limit_s)
            text = f"ready  pid {child.pid}  {child.address}  {elapsed(time.monotonic() - began)}"
            session.say(session.style().row(Mark.OK, name, text))
    except NotRunningError:
        raise NotRunningError(f"{place.name} is not running.") from None
    session.answer({"name": place.name, "restarted": list(names)})
    return 0


def _await_ready(
    look: Callable[[], StackStatus], before: ChildStatus, deadline: float
) -> ChildStatus:
    """Return the child once another process of it is ready.

    Raises:
        StartError: It failed, or is not ready in time.
    """
    while True:
        child = next(child for child in look().children if child.name == before.name)
        if child.state is ChildState.READY and child.pid != before.pid:
            return child
        is_new = child.since > before.since
        if (child.state is ChildState.FAILED and is_new) or time.monotonic() > deadline:
            lines = [f"{child.name} is {child.state}: {child.note or 'not ready in time'}"]
            raise StartError("\n         ".join([*lines, *child.tail]))
        time.sleep(POLL_S)
