"""The supervisor's end of the guard: starts it, keeps it alive, tells it which groups exist."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from ollamon.supervisor import guard
from ollamon.supervisor.child import spawn_guard
from ollamon.supervisor.reaper import Reaper

# A guard that cannot live must not become a loop of its own.
PAUSE_S = 0.25
FAREWELL_S = 2.0


class GuardLink:
    """One guard at a time; it is told everything anew when it had to be replaced."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reaper: Reaper, run_id: str) -> None:
        self._loop = loop
        self._reaper = reaper
        self._run_id = run_id
        self._groups: set[int] = set()
        self._pipe: int | None = None
        self._is_closing = False
        self._gone = asyncio.Event()
        self.pid: int | None = None

    def start(self) -> None:
        """Start a guard and give it the list."""
        if self._is_closing:
            return
        argv = [sys.executable, "-I", "-S", str(Path(guard.__file__)), str(guard.GRACE_S)]
        try:
            told = "".join(f"+ {group}\n" for group in self._groups)
            self.pid, self._pipe = spawn_guard(argv, self._run_id, told.encode())
        except OSError:
            self._loop.call_later(PAUSE_S, self.start)
            return
        self._reaper.watch(self.pid, self._lost)

    def add(self, pgid: int) -> None:
        """A group exists."""
        self._groups.add(pgid)
        self._send(f"+ {pgid}")

    def remove(self, pgid: int) -> None:
        """A group is empty."""
        self._groups.discard(pgid)
        self._send(f"- {pgid}")

    async def close(self) -> None:
        """Take leave: it ends without touching anything."""
        self._is_closing = True
        self._send("bye")
        self._close_pipe()
        if self.pid is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._gone.wait()

    def _lost(self, code: int) -> None:
        self.pid = None
        self._gone.set()
        self._close_pipe()
        if not self._is_closing:
            self._gone.clear()
            self._loop.call_later(PAUSE_S, self.start)

    def _send(self, line: str) -> None:
        if self._pipe is not None:
            # A full or broken pipe: it hangs or is gone; its successor hears everything anew.
            with contextlib.suppress(OSError):
                os.write(self._pipe, line.encode() + b"\n")

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
