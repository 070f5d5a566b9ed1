"""One service in the foreground: wired as the supervisor does it, and not supervised."""

import contextlib
import os
import secrets
import select
import signal
from collections.abc import Callable
from types import FrameType

from ollamon.errors import StartError
from ollamon.handover import Handover
from ollamon.supervisor import groundwork, preflight
from ollamon.supervisor.child import Child, spawn
from ollamon.supervisor.reaper import is_group_empty, kill_group
from ollamon.supervisor.spec import StackSpec

CHUNK = 64 * 1024
LOOK_S = 0.1
INTERRUPTED = 130


def run(stack: StackSpec, output: int, tell: Callable[[str], None]) -> int:
    """Run the one service of a stack until it ends; return the exit code.

    That is the child's own (128 + the signal that ended it), or 130 after Ctrl-C. The first SIGINT
    or SIGTERM asks it to leave, the second one kills its group.

    Args:
        stack: With one service.
        output: Where what it writes goes.
        tell: Is told its words, such as `READY=1`.

    Raises:
        AlreadyRunningError, PortInUseError, ProgramMissingError, RuntimeFolderError, StartError:
            It was not started.
    """
    (service,) = stack.services
    preflight.check(stack)
    with contextlib.ExitStack() as held:
        ground = groundwork.prepare(service)
        held.callback(ground.close)
        groundwork.write_files(service)
        try:
            told = Handover(service.section or {}, secrets.token_hex(4), ground.sockets.open())
            child = spawn(service, told)
        except OSError as error:
            raise StartError(f"cannot start {service.name}: {error.strerror or error}") from None
        held.callback(child.close)
        signals = _Signals(child)
        held.callback(signals.restore)
        try:
            status = _attend(child, output, tell)
        finally:
            # What it has left behind goes too.
            if not is_group_empty(child.pid):
                kill_group(child.pid, signal.SIGKILL)
    if signals.first == signal.SIGINT:
        return INTERRUPTED
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


class _Signals:
    """Passes on what we are told."""

    def __init__(self, child: Child) -> None:
        self.first: int | None = None
        self._child = child
        self._before = {
            number: signal.signal(number, self._on) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def restore(self) -> None:
        """Listen no more."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on(self, number: int, _: FrameType | None) -> None:
        again = self.first is not None
        self.first = self.first or number
        kill_group(self._child.pid, signal.SIGKILL if again else signal.SIGTERM)


def _attend(child: Child, output: int, tell: Callable[[str], None]) -> int:
    """Pass on what it writes and says until it has ended; return its wait status."""
    open_pipes = {child.output, child.notify}
    rest = b""
    while True:
        ready, _, _ = select.select(list(open_pipes), [], [], LOOK_S)
        for pipe in ready:
            data = os.read(pipe, CHUNK)
            if not data:
                open_pipes.discard(pipe)
            elif pipe == child.output:
                _write(output, data)
            else:
                *words, rest = (rest + data).split(b"\n")
                for word in words:
                    tell(word.decode(errors="replace"))
        # Once nothing comes any more, so that its last words are not lost.
        if not ready or not open_pipes:
            pid, status = os.waitpid(child.pid, 0 if not open_pipes else os.WNOHANG)
            if pid:
                return status


def _write(descriptor: int, data: bytes) -> None:
    # A reader that has gone is no reason to end what serves others.
    with contextlib.suppress(OSError):
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
