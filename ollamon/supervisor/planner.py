"""Has a plan made by a short-lived process, so that the long-lived one need not read the file.

The process prints one JSON object: `{"stack": ...}` as `wire` has it, or `{"error": ...}`.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Sequence

from ollamon import errors
from ollamon.errors import ControlError, OllamonError
from ollamon.supervisor import errands, reaper, wire
from ollamon.supervisor.spec import StackSpec

LIMIT_S = 60.0
MAX_BYTES = 4 * 1024 * 1024

Tell = Callable[[StackSpec | OllamonError], None]


class Planner:
    """Makes one plan at a time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, processes: reaper.Reaper, run_id: str
    ) -> None:
        self._loop = loop
        self._reaper = processes
        self._run_id = run_id
        self._tell: Tell | None = None
        self._pid = 0
        self._pipe = -1
        self._said = b""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, argv: Sequence[str], tell: Tell) -> None:
        """Start the process; `tell` hears its plan, or why there is none.

        Raises:
            ControlError: One is being made, or the process cannot be started.
        """
        if self._tell is not None:
            raise ControlError("cannot reload: the configuration is being read just now")
        if not argv:
            raise ControlError("cannot reload: it is not known how this stack was started")
        read_end, write_end = os.pipe()
        try:
            self._pid = errands.start(argv, self._run_id, "planner", write_end)
        except OSError as error:
            os.close(read_end)
            raise ControlError(f"cannot reload: {argv[0]}: {error.strerror}") from None
        finally:
            os.close(write_end)
        self._tell, self._pipe, self._said = tell, read_end, b""
        os.set_blocking(read_end, False)
        self._loop.add_reader(read_end, self._read)
        self._timer = self._loop.call_later(LIMIT_S, self._kill)
        self._reaper.watch(self._pid, self._ended)

    def close(self) -> None:
        """Make no plan any more, and tell nobody."""
        self._tell = None
        self._kill()
        self._rest()

    def _kill(self) -> None:
        if self._pid:
            reaper.kill_group(self._pid, signal.SIGKILL)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._pipe, 64 * 1024)
            self._said += data
            if not data:
                self._loop.remove_reader(self._pipe)
        if len(self._said) > MAX_BYTES:
            self._kill()

    def _ended(self, code: int) -> None:
        self._pid = 0
        if self._pipe < 0:
            return
        before = -1
        while before != len(self._said) <= MAX_BYTES:
            before = len(self._said)
            self._read()
        self._rest()
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(_result(self._said, code))

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1


def _result(said: bytes, code: int) -> StackSpec | OllamonError:
    try:
        document = json.loads(said)
        if "error" in document:
            return errors.from_document(document["error"])
        return wire.from_document(document["stack"])
    except ControlError as error:
        return error
    except (ValueError, KeyError, TypeError, RecursionError):
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        return ControlError(f"cannot reload: the configuration could not be read ({how})")
