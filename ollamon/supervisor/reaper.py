"""Collects every process that ends beneath this one, its own children and adopted ones alike.

A group's leader is looked at before it is reaped: while the zombie holds the number, nobody else
can get it, so the last signal to the group cannot hit a stranger.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from ollamon.supervisor import identity

PR_SET_CHILD_SUBREAPER = 36
STRAY_POLL_S = 0.01
STRAY_LIMIT_S = 2.0
# macOS has it since Python 3.13 only: before, the group's last signal comes just after the reaping.
CAN_PEEK = hasattr(os, "waitid")


class Reaper:
    """Knows this process's children by pid; must be used from the main thread alone."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[int, Callable[[int], None]] = {}

    def start(self) -> None:
        """Listen for SIGCHLD; on Linux, inherit descendants whose parent ends (c4)."""
        if identity.IS_LINUX:
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._loop.add_signal_handler(signal.SIGCHLD, self.reap)

    def stop(self) -> None:
        """Listen no longer."""
        self._loop.remove_signal_handler(signal.SIGCHLD)

    def watch(self, pid: int, on_exit: Callable[[int], None]) -> None:
        """Call `on_exit(code)` when the leader of group `pid` ends and the group has its SIGKILL.

        The code is negative for a signal.
        """
        self._known[pid] = on_exit
        # It may be a zombie already, and its SIGCHLD spent.
        self._loop.call_soon(self.reap)

    def reap(self) -> None:
        """Collect all that have ended."""
        if CAN_PEEK:
            self._reap_all()
        else:
            self._reap_known()

    def adopted(self) -> list[int]:
        """Return children that were never started here: orphans that came up to the subreaper."""
        if not identity.IS_LINUX:
            return []
        me = os.getpid()
        try:
            text = Path(f"/proc/self/task/{me}/children").read_text()
            children = [int(word) for word in text.split()]
        except OSError:
            children = [child.pid for child in psutil.Process().children()]
        return [pid for pid in children if pid not in self._known]

    async def end_strays(self, is_ours: Callable[[int], bool]) -> None:
        """Kill adopted processes that are ours; they come up one generation at a time."""
        deadline = self._loop.time() + STRAY_LIMIT_S
        while self._loop.time() < deadline:
            self.reap()
            strays = [pid for pid in self.adopted() if is_ours(pid)]
            if not strays:
                return
            for pid in strays:
                kill_process(pid)
            await asyncio.sleep(STRAY_POLL_S)

    def _reap_all(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            self._collect(found.si_pid)

    def _reap_known(self) -> None:
        for pid in list(self._known):
            self._collect(pid)

    def _collect(self, pid: int) -> None:
        on_exit = self._known.get(pid)
        if on_exit is not None and CAN_PEEK:
            kill_group(pid, signal.SIGKILL)
        try:
            reaped, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            self._known.pop(pid, None)
            return
        if reaped and on_exit is not None:
            if not CAN_PEEK:
                kill_group(pid, signal.SIGKILL)
            del self._known[pid]
            on_exit(os.waitstatus_to_exitcode(status))


def kill_group(pgid: int, number: int) -> None:
    """Signal a process group, if there is one that we may signal."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


def kill_process(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a child that is not reaped, so that the number is its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def is_group_empty(pgid: int) -> bool:
    """Say whether nothing of the group is left.

    EPERM: on macOS it is the answer for zombies alone; on Linux some process of the group is
    another user's, such as a root child's.
    """
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return not identity.IS_LINUX
    return False
