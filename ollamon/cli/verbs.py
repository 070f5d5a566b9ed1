"""What `start`, `stop`, `restart` and `wait` share: ask, wait for the outcome, and show it."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from ollamon.cli.running import chosen, complete_child, named, status_of
from ollamon.cli.session import Session, duration_option
from ollamon.cli.table import child_document
from ollamon.cli.words import Mark, elapsed
from ollamon.supervisor import control
from ollamon.supervisor.messages import ChildState, ChildStatus

if TYPE_CHECKING:
    from ollamon.cli.shapes import Children

children_argument = click.argument(
    "children", metavar="[CHILD]...", nargs=-1, shell_complete=complete_child
)
no_dependents = click.option(
    "--no-dependents", "is_alone", is_flag=True, help="Leave those alone that require them."
)
START_S = 60.0
ready_timeout = duration_option(
    "--timeout",
    "timeout_s",
    help=f"Give up waiting after this long; the children go on.  [default: {START_S:g}s]",
)
_THERE = {
    "ready": frozenset({ChildState.READY, ChildState.EXITED}),
    "stopped": frozenset({ChildState.STOPPED, ChildState.EXITED}),
}
_RUNS = frozenset({ChildState.READY, ChildState.DEGRADED})


def carry_out(
    session: Session,
    verb: str,
    names: Sequence[str],
    arguments: Mapping[str, object],
    timeout_s: float | None,
) -> list[ChildStatus]:
    """Do something to children and wait until they are where that leads; return them.

    Args:
        session: Who asks.
        verb: `start`, `stop` or `restart`.
        names: The children; all of them when it is empty.
        arguments: Of the request, besides the children.
        timeout_s: Of the wait; None is `START_S`, or without end for `stop`.

    Raises:
        NotRunningError, ControlError, StartError, DegradedError: See `control.wait`.
        click.BadParameter: There is no such child.
    """
    place = session.place()
    with named(place):
        request = {"children": chosen(status_of(place), names), **arguments}
        answered = control.ask(place.folders.runtime, verb, request)
        concerned = control.list_of(answered, "children")
        if verb == "stop":
            return follow(session, concerned, "stopped", timeout_s)
        return follow(session, concerned, "ready", START_S if timeout_s is None else timeout_s)


def follow(
    session: Session, names: Sequence[str], goal: str, timeout_s: float | None
) -> list[ChildStatus]:
    """Wait until children are `ready` or `stopped`, show each as it gets there; return them.

    Raises:
        NotRunningError, ControlError, StartError, DegradedError: See `control.wait`.
    """
    began = time.monotonic()
    place = session.place()
    shown: set[str] = set()

    def show(child: ChildStatus) -> None:
        shown.add(child.name)
        text = f"{describe(child)}  {elapsed(time.monotonic() - began)}"
        session.say(session.style().row(Mark.OK, child.name, text))

    for event in control.watch(place.folders.runtime, names, goal, timeout_s):
        if event.child in names and event.child not in shown and event.state in _THERE[goal]:
            show(next(each for each in status_of(place).children if each.name == event.child))
    children = [child for child in status_of(place).children if child.name in names]
    for child in children:
        if child.name not in shown:
            show(child)
    return children


def answer(session: Session, name: str, children: Sequence[ChildStatus]) -> None:
    """Print the one object about these children of a stack."""
    document: Children = {
        "name": name,
        "children": [child_document(child) for child in children],
    }
    session.answer(document)


def describe(child: ChildStatus) -> str:
    """Return a few words about where a child is."""
    if child.state in _RUNS:
        return f"{child.state}  pid {child.pid}  {child.address}".rstrip()
    return child.state
