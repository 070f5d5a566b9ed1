"""`ollamon down`: stop everything, and remove what a dead run has left."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ollamon.cli.session import Session, common_options, duration_option, pass_session
from ollamon.cli.stop import carry_out_stop
from ollamon.cli.verbs import children_argument
from ollamon.cli.view import View
from ollamon.config.place import Place
from ollamon.errors import (
    AlreadyRunningError,
    ControlError,
    LeftoverError,
    NotRunningError,
    OllamonError,
    OtherVersionError,
)
from ollamon.supervisor import control
from ollamon.supervisor.messages import LOCK_NAME, RUN_NAME, Event, StackState

if TYPE_CHECKING:
    from ollamon.cli import shapes

# Longer than any sensible supervisor.shutdown_timeout, which is not read here.
PATIENCE_S = 300.0
MARGIN_S = 15.0


@click.command("down")
@children_argument
@duration_option(
    "--timeout",
    "timeout_s",
    help="Kill what is left after this long.  [default: supervisor.shutdown_timeout, 60s]",
)
@click.option("--kill", "is_kill", is_flag=True, help="SIGKILL at once; open streams are cut.")
@click.option(
    "--orphans", "is_sweep", is_flag=True, help="Remove what a dead run has left, and stop nothing."
)
@common_options
@pass_session
def command(
    session: Session,
    children: tuple[str, ...],
    timeout_s: float | None,
    is_kill: bool,
    is_sweep: bool,
) -> None:
    """Stop the stack, or only some children of it. Exits 0 also when nothing runs."""
    place = session.place()
    if is_kill and timeout_s is not None:
        raise click.UsageError("--kill waits for nothing, so --timeout does not fit")
    if is_sweep:
        if children or is_kill or timeout_s is not None:
            raise click.UsageError("--orphans stops nothing, so nothing else fits")
        _sweep_only(session, place)
        return
    timeout_s = 0.0 if is_kill else timeout_s
    runtime = place.folders.runtime
    stopped: list[str] = []
    try:
        if children:
            done = carry_out_stop(session, children, timeout_s, dependents=True)
            stopped = [child.name for child in done]
        else:
            stop_any(session, runtime, timeout_s)
    except NotRunningError:
        _nothing_runs(session, place)
        return
    _answer(session, place, was_running=True, children=stopped)


def _answer(
    session: Session,
    place: Place,
    *,
    was_running: bool,
    swept: Sequence[str] = (),
    children: Sequence[str] = (),
) -> None:
    document: shapes.Down = {
        "name": place.name,
        "was_running": was_running,
        "swept": list(swept),
        "children": list(children),
    }
    session.answer(document)


class _Request(threading.Thread):
    """Asks for the stop and waits, while the main thread shows what happens."""

    def __init__(self, runtime: Path, timeout_s: float | None) -> None:
        super().__init__(daemon=True)
        self._runtime = runtime
        self._timeout_s = timeout_s
        self.error: OllamonError | None = None

    def run(self) -> None:
        """Ask."""
        arguments = {} if self._timeout_s is None else {"timeout": self._timeout_s}
        patience_s = PATIENCE_S if self._timeout_s is None else self._timeout_s + MARGIN_S
        try:
            control.ask(self._runtime, "stop", arguments, patience_s)
        except OllamonError as error:
            self.error = error


def stop_any(session: Session, runtime: Path, timeout_s: float | None) -> None:
    """Stop what runs, of whatever version. Raises: As `stop`."""
    try:
        stop(session, runtime, timeout_s)
    except OtherVersionError:
        control.terminate(runtime, PATIENCE_S if timeout_s is None else timeout_s + MARGIN_S)
        session.say("Stopped a supervisor of another version of ollamon.")


def stop(session: Session, runtime: Path, timeout_s: float | None) -> None:
    """Stop what runs, and show it.

    Raises:
        NotRunningError: Nothing runs.
        ControlError: The supervisor does not answer.
        LeftoverError: It has stopped, and some process could not be ended.
    """
    control.ask(runtime, "status")
    request = _Request(runtime, timeout_s)
    request.start()
    left = ""
    with suppress(NotRunningError, ControlError):
        left = _show(session, control.follow(runtime, replay=True))
    request.join()
    if left:
        raise LeftoverError(left)
    if request.error is not None and not isinstance(request.error, NotRunningError):
        raise request.error


def _show(session: Session, events: Iterator[Event]) -> str:
    """Show what happens from the stop on, and return who could not be ended.

    What was before comes along.
    """
    view = View(session.style(), has_keyboard=False)
    left = ""
    for event in events:
        is_begin = not event.child and event.state == StackState.STOPPING
        if is_begin or view.stopping_at is not None:
            session.say(view.lines(event))
            left = event.detail if not event.child and event.state == StackState.FAILED else left
    return left


def _sweep_only(session: Session, place: Place) -> None:
    try:
        control.ask(place.folders.runtime, "status")
    except NotRunningError:
        _nothing_runs(session, place)
        return
    session.say(f"{place.name} runs: what a dead run had left is gone.")
    _answer(session, place, was_running=True)


def _nothing_runs(session: Session, place: Place) -> None:
    swept = _sweep(place.folders.runtime)
    if swept:
        session.say(f"{place.name} was not running. Removed what a dead run had left: {swept}.")
    else:
        session.say(f"{place.name} is not running; nothing to stop.")
    _answer(session, place, was_running=False, swept=swept.split(", ") if swept else [])


def _sweep(runtime: Path) -> str:
    """End the processes of a dead run; return their names.

    Raises:
        AlreadyRunningError: Somebody starts just now.
        LeftoverError: Some could not be ended.
    """
    if not (runtime / RUN_NAME).exists() and not (runtime / LOCK_NAME).exists():
        return ""
    # Only now, since it imports psutil.
    from ollamon.supervisor import runfile, state

    try:
        lock = state.acquire(runtime)
    except AlreadyRunningError as error:
        message = f"cannot stop it: {error}, but its socket does not answer yet"
        raise AlreadyRunningError(message) from None
    try:
        found = state.leftovers(runtime)
        state.sweep(found)
        runfile.remove(runtime)
    finally:
        lock.release()
    return state.describe(found)
