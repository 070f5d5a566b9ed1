"""`ollamon up -d`: the stack in a session of its own, while this process shows how it starts.

The supervisor writes one JSON object a line into a pipe that it inherits: `{"event": ...}`, at the
end of the start `{"verdict": event, "status": status}`, or `{"error": {"kind", "message"}}` when
nothing was started. When nobody waits any more it goes on without.
"""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ollamon import errors
from ollamon.cli import foreground, view
from ollamon.cli.session import Session, own_command
from ollamon.cli.supervise import supervise
from ollamon.cli.table import document_of_up
from ollamon.cli.upstream import look
from ollamon.cli.view import View
from ollamon.config import naming
from ollamon.errors import OllamonError, StartError
from ollamon.services import Plan
from ollamon.supervisor import control
from ollamon.supervisor.messages import (
    Event,
    StackState,
    StackStatus,
    event_from_json,
    status_from_json,
    to_json,
)
from ollamon.supervisor.output import RotatingFile
from ollamon.supervisor.spec import LogSpec

LOG_NAME = "supervisor.log"
LOG_LINES = 10


class Reporter:
    """The supervisor's side of the pipe."""

    def __init__(self, descriptor: int, *, is_awaited: bool, log: "OwnLog | None" = None) -> None:
        os.set_inheritable(descriptor, False)
        self._log = log
        self._descriptor = descriptor
        self._is_awaited = is_awaited

    def show(self, event: Event) -> None:
        """Pass an event on, and write it down."""
        if self._log is not None:
            self._log.write(event)
        self._write({"event": to_json(event)})

    def conclude(self, event: Event, status: StackStatus) -> bool:
        """Pass the end of the start on; who waits for a whole stack gets it, or none."""
        self._write({"verdict": to_json(event), "status": to_json(status)})
        may_go_on = event.state == StackState.READY or not self._is_awaited
        if may_go_on:
            self.close()
        return may_go_on

    def refuse(self, error: OllamonError) -> None:
        """Nothing was started."""
        self._write({"error": errors.to_document(error)})

    def close(self) -> None:
        """Say no more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, document: Mapping[str, object]) -> None:
        if self._descriptor < 0:
            return
        try:
            os.write(self._descriptor, json.dumps(document).encode() + b"\n")
        except OSError:
            # Whoever waited has gone, so nobody wants all or nothing any more.
            self._is_awaited = False
            self.close()


class OwnLog:
    """The file that stdout and stderr of the supervisor in the background are."""

    def __init__(self, log: LogSpec, descriptors: Sequence[int] = (1, 2)) -> None:
        self._file = RotatingFile(log.folder / LOG_NAME, log.max_bytes, log.keep)
        self._max_bytes = log.max_bytes
        self._descriptors = descriptors

    def write(self, event: Event) -> None:
        """Add an event, in a new file when the old one is full."""
        moment = datetime.fromtimestamp(event.t, UTC).isoformat(timespec="milliseconds")
        line = f"{moment} {event.child or 'stack'} {event.state} {event.detail}".rstrip()
        with suppress(OSError):
            self._make_room()
            os.write(self._descriptors[0], line.encode() + b"\n")

    def _make_room(self) -> None:
        facts = os.fstat(self._descriptors[0])
        if facts.st_size < self._max_bytes or not self._is_mine(facts):
            return
        self._file.rotate()
        fresh = _open_log(self._file.path)
        for descriptor in self._descriptors:
            os.dup2(fresh, descriptor)
        os.close(fresh)

    def _is_mine(self, facts: os.stat_result) -> bool:
        return os.path.samestat(facts, self._file.path.stat())


def report(plan: Plan, descriptor: int, *, is_awaited: bool) -> int:
    """Be the supervisor in the background; return the exit code."""
    reporter = Reporter(descriptor, is_awaited=is_awaited, log=OwnLog(plan.stack.log))
    try:
        return asyncio.run(supervise(plan, reporter, None))
    except OllamonError as error:
        reporter.refuse(error)
        return error.exit_code
    finally:
        reporter.close()


def start(plan: Plan, session: Session, words: Sequence[str], *, is_awaited: bool) -> int:
    """Start the supervisor and show its progress; return 0 when it is ready, or when it runs.

    Args:
        plan: What it will run.
        session: Who asks.
        words: The arguments of `ollamon` that make the same plan again.
        is_awaited: Wait until all are ready.

    Raises:
        StartError: Something was not ready in time; everything is stopped again.
        OllamonError: Nothing was started.
    """
    read_end, write_end = os.pipe()
    log = plan.stack.log.folder / LOG_NAME
    pid, offset = _spawn(words, write_end, log, is_awaited=is_awaited)
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


def _spawn(words: Sequence[str], report_to: int, log: Path, *, is_awaited: bool) -> tuple[int, int]:
    """Start the process; return its pid, and where in its log its own lines begin."""
    wait = "--wait" if is_awaited else "--no-wait"
    argv = [*own_command(), *words, wait, "--report-fd", str(report_to)]
    try:
        output = _open_log(log)
    except OSError as error:
        os.close(report_to)
        raise StartError(f"cannot write {log}: {error.strerror}") from None
    try:
        offset = os.fstat(output).st_size
        process = subprocess.Popen(  # noqa: S603
            argv,
            stdin=subprocess.DEVNULL,
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


def _open_log(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


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
