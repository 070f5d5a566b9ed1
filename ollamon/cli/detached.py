"""`ollamon up -d`: starts `background` in a session of its own, and shows what it tells."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ollamon import errors
from ollamon.cli import foreground, view
from ollamon.cli.background import LOG_NAME, open_log
from ollamon.cli.session import Session, own_command
from ollamon.cli.table import document_of_up
from ollamon.cli.upstream import look
from ollamon.cli.view import View
from ollamon.config import naming
from ollamon.errors import StartError
from ollamon.services import Plan
from ollamon.supervisor import control, wire
from ollamon.supervisor.messages import (
    Event,
    StackState,
    StackStatus,
    event_from_json,
    status_from_json,
)
from ollamon.supervisor.spec import StackSpec

LOG_LINES = 10


def start(plan: Plan, session: Session, *, is_awaited: bool) -> int:
    """Start the supervisor and show its progress; return 0 when it is ready, or when it runs.

    Args:
        plan: What it will run.
        session: Who asks.
        is_awaited: Wait until all are ready.

    Raises:
        StartError: Something was not ready in time; everything is stopped again.
        OllamonError: Nothing was started.
    """
    read_end, write_end = os.pipe()
    log = plan.stack.log.folder / LOG_NAME
    pid, offset = _spawn(plan.stack, write_end, log, is_awaited=is_awaited)
    try:
        with os.fdopen(read_end) as lines:
            status = _follow(plan, session, map(json.loads, lines), is_awaited=is_awaited)
    except KeyboardInterrupt:
        _stop(pid)
        raise
    if status is None:
        raise StartError(_died(log, offset))
    session.answer(document_of_up(status.name, "started", status))
    return 0


def _spawn(stack: StackSpec, report_to: int, log: Path, *, is_awaited: bool) -> tuple[int, int]:
    """Start the process; return its pid, and where in its log its own lines begin."""
    wait = "--wait" if is_awaited else "--no-wait"
    argv = [*own_command(), "up", wait, "--report-fd", str(report_to)]
    try:
        output = open_log(log)
    except OSError as error:
        os.close(report_to)
        raise StartError(f"cannot write {log}: {error.strerror}") from None
    try:
        offset = os.fstat(output).st_size
        # A file takes all of it at once, however long it is.
        with tempfile.TemporaryFile() as handed_over:
            handed_over.write(json.dumps(wire.to_document(stack)).encode())
            handed_over.seek(0)
            process = subprocess.Popen(  # noqa: S603
                argv,
                stdin=handed_over,
                stdout=output,
                stderr=output,
                pass_fds=(report_to,),
                start_new_session=True,
            )
    finally:
        os.close(output)
        os.close(report_to)
    # It outlives us, and Popen shall not complain about that.
    process.returncode = 0
    return process.pid, offset


def _follow(
    plan: Plan, session: Session, documents: Iterator[dict[str, Any]], *, is_awaited: bool
) -> StackStatus | None:
    """Show what is reported; return the status when the start succeeded, None when it broke off."""
    style = session.style()
    shown = View(style, foreground.addresses_of(plan))
    session.say(foreground.first_lines(plan, style))
    for document in documents:
        if "error" in document:
            raise errors.from_document(document["error"])
        if "verdict" in document:
            verdict = event_from_json(document["verdict"])
            status = status_from_json(document["status"])
            if verdict.state != StackState.READY:
                _wait_for_end(documents)
                raise StartError(_not_ready(verdict, status))
            _tell_ready(plan, session, verdict)
            return status
        event = event_from_json(document["event"])
        session.say(shown.lines(event))
        if event.child and not is_awaited:
            session.say(["", f"Started in the background. {how_to_stop(plan)}"])
            return status_from_json(control.ask(plan.stack.runtime, "status"))
    return None


def how_to_stop(plan: Plan) -> str:
    """Return the command that finds this stack from any folder."""
    name = plan.stack.name
    return f"Stop it with: ollamon {'' if name == naming.STACK else f'--name {name} '}down"


def _tell_ready(plan: Plan, session: Session, verdict: Event) -> None:
    if foreground.is_foreign_ollama(plan):
        session.say(foreground.upstream_lines(look(plan.config.ollama.url), session.style()))
    session.say(foreground.ready_lines(plan, verdict, how_to_stop(plan)))


def _wait_for_end(documents: Iterator[dict[str, Any]]) -> None:
    """The supervisor stops the rest, and closes the pipe when it is done."""
    for _ in documents:
        pass


def _not_ready(verdict: Event, status: StackStatus) -> str:
    lines = view.not_all_ready(verdict.detail, view.unready(status))
    return "\n".join([*lines, f"{view.INDENT}Everything was stopped again."])


def _died(log: Path, offset: int) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        last = file.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    lines = [f"the supervisor ended before the stack was ready; its log is {log}"]
    return "\n".join([*lines, *(f"{view.INDENT}  {line}" for line in last)])


def _stop(pid: int) -> None:
    """End the supervisor, however far it has come; before it listens there is nothing to stop."""
    click.echo("Stopping.", err=True)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
