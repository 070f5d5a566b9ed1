"""The supervisor in the background: gets the stack on stdin, and tells whoever waits how it starts.

It writes one JSON object a line into a pipe that it inherits: `{"event": ...}`, at the end of the
start `{"verdict": event, "status": status}`, or `{"error": {"kind", "message"}}` when nothing was
started. When nobody waits any more it goes on without. Configuration and models are not imported:
they would stay in memory for as long as the stack runs.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ollamon import errors
from ollamon.cli.supervise import RESTART, start_anew, supervise
from ollamon.errors import OllamonError
from ollamon.supervisor import wire
from ollamon.supervisor.messages import Event, StackState, StackStatus, to_json
from ollamon.supervisor.output import RotatingFile
from ollamon.supervisor.spec import LogSpec, StackSpec

LOG_NAME = "supervisor.log"


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
        fresh = open_log(self._file.path)
        for descriptor in self._descriptors:
            os.dup2(fresh, descriptor)
        os.close(fresh)

    def _is_mine(self, facts: os.stat_result) -> bool:
        return os.path.samestat(facts, self._file.path.stat())


def open_log(path: Path) -> int:
    """Open a log of this user alone to add to it. Raises OSError: It cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def report(descriptor: int, *, is_awaited: bool) -> int:
    """Be the supervisor of the stack that comes on stdin; return the exit code.

    Raises:
        ControlError: It is none.
    """
    stack = _handed_over()
    reporter = Reporter(descriptor, is_awaited=is_awaited, log=OwnLog(stack.log))
    try:
        code = asyncio.run(supervise(stack, reporter, None))
    except OllamonError as error:
        reporter.refuse(error)
        return error.exit_code
    finally:
        reporter.close()
    if code == RESTART:
        # What made the plan makes it anew; the last two words are about how it is told.
        start_anew([*stack.origin[:-2], "--detach", "--no-wait"])
    return code


def _handed_over() -> StackSpec:
    stack = wire.from_document(json.load(sys.stdin))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return stack
