"""`ollamon events`: what happened, as one line for each change of state."""

import json
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

import click

from ollamon.cli.running import named
from ollamon.cli.session import Session, common_options, pass_session
from ollamon.cli.table import moment
from ollamon.cli.words import NAME, Style
from ollamon.errors import ControlError, NotRunningError
from ollamon.supervisor import control
from ollamon.supervisor.messages import EVENTS_NAME, Event, event_from_json

if TYPE_CHECKING:
    from pathlib import Path

    from ollamon.cli import shapes

# As many as the supervisor keeps.
MOST = 256
_COLOURS = {
    "ready": "32",
    **dict.fromkeys(("degraded", "backoff", "blocked", "swept", "spared", "unlogged"), "33"),
    **dict.fromkeys(("failed", "stop-failed"), "31"),
}


@click.command("events", short_help="Show what happened to the children.")
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on until the stack stops.")
@click.option(
    "-n", "--lines", "count", default=MOST, type=click.IntRange(0, MOST), show_default=True
)
@common_options
@pass_session
def command(session: Session, is_following: bool, count: int) -> None:
    """Show what happened to the children: of this run, or of the last ones when nothing runs."""
    place = session.place()
    try:
        with named(place):
            if is_following:
                _follow(session, place.name, place.folders.runtime, count)
                return
            answer = control.ask(place.folders.runtime, "history")
            events = [event_from_json(each) for each in control.list_of(answer, "events")]
    except NotRunningError:
        events = _recorded(place.folders.state / EVENTS_NAME)
        if not events:
            raise
    _show(session, place.name, events[-count:] if count else [])


def _follow(session: Session, name: str, runtime: "Path", count: int) -> None:
    seen = len(control.list_of(control.ask(runtime, "history"), "events"))
    events = control.follow(runtime, replay=True)
    for event in islice(events, max(0, seen - count), None):
        _show(session, name, [event])


def _show(session: Session, name: str, events: Iterable[Event]) -> None:
    listed = list(events)
    style = session.style()
    session.say(line_of(event, style) for event in listed)
    document: shapes.Events = {"name": name, "events": [document_of(event) for event in listed]}
    session.answer(document)


def _recorded(path: "Path") -> list[Event]:
    """The last events of a file; what is no event in it is left out."""
    try:
        with path.open(errors="replace") as file:
            lines = list(deque(file, MOST))
    except OSError:
        return []
    return [event for line in lines if (event := _read(line)) is not None]


def _read(line: str) -> Event | None:
    try:
        return event_from_json(json.loads(line))
    except (ValueError, TypeError, ControlError):
        return None


def line_of(event: Event, style: Style) -> str:
    """One line: the time here, who, what, and why."""
    at = time.strftime("%H:%M:%S", time.localtime(event.t))
    pid = f"pid {event.pid}" if event.pid and event.state == "ready" else ""
    rest = "  ".join(filter(None, (pid, event.detail)))
    colour = _COLOURS.get(event.state)
    state = style.paint(event.state, colour) if colour else event.state
    pad = " " * max(0, 9 - len(event.state)) if rest else ""
    return f"{at}  {event.child or '*':<{NAME}} {state}{pad}  {rest}".rstrip()


def document_of(event: Event) -> "shapes.Event":
    """The same for programs."""
    return {
        "at": moment(event.t),
        "elapsed_s": round(event.elapsed_s, 3),
        "child": event.child or None,
        "state": event.state,
        "detail": event.detail,
        "pid": event.pid,
    }
