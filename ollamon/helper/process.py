"""A program that a source runs: exact words, an empty environment, two pipes, and a gentle end."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence

ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
READ = 64 * 1024
_TERM_S = 2.0
_KEPT_LINES = 20
_LONGEST_LINE = 400


def output_of(argv: Sequence[str], timeout_s: float) -> bytes:
    """Run a program to its end; return what it printed.

    Args:
        argv: As for `Process`.

    Raises:
        OSError: It cannot be run.
        subprocess.SubprocessError: It fails, or takes longer.
    """
    done = subprocess.run(  # noqa: S603 - an absolute path, no shell
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=ENVIRONMENT,
        timeout=timeout_s,
        check=True,
    )
    return done.stdout


class Process:
    """A running program whose output streams.

    Args:
        argv: Its first word is an absolute path; no shell.

    Raises:
        OSError: It cannot be run.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        # A group of its own, for Ctrl-C; a session of its own would lose sudo's ticket.
        self._popen = subprocess.Popen(  # noqa: S603 - see the arguments
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=ENVIRONMENT,
            bufsize=0,
            process_group=0,
        )
        self._selector = selectors.DefaultSelector()
        for pipe in (self._popen.stdout, self._popen.stderr):
            assert pipe is not None  # noqa: S101
            self._selector.register(pipe, selectors.EVENT_READ)
        self._complaint = b""
        self._lines: deque[bytes] = deque(maxlen=_KEPT_LINES)

    @property
    def complaint(self) -> str:
        """The last lines that it wrote to stderr."""
        return b"\n".join((*self._lines, self._complaint)).decode("utf-8", "replace").strip()

    def read(self, timeout_s: float) -> bytes | None:
        """Return what came on stdout: maybe nothing in that time, None when both pipes ended."""
        if not self._selector.get_map():
            return None
        piece = b""
        for key, _ in self._selector.select(timeout_s):
            data = os.read(key.fd, READ)
            if not data:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is self._popen.stderr:
                self._note(data)
            else:
                piece = data
        return piece

    def _note(self, data: bytes) -> None:
        *lines, rest = (self._complaint + data).split(b"\n")
        self._lines.extend(line[:_LONGEST_LINE] for line in lines[-_KEPT_LINES:])
        self._complaint = rest[:_LONGEST_LINE]

    def end(self, *, may_kill: bool) -> int | None:
        """Ask it to leave and close the pipes; return its code, None when it has not left yet.

        What runs as root below sudo cannot be killed by us: sudo passes SIGTERM on, and whoever
        writes into a closed pipe dies. SIGKILL would end sudo alone and leave powermetrics behind.
        """
        with contextlib.suppress(PermissionError):
            self._popen.send_signal(signal.SIGTERM)
        self._drain(_TERM_S)
        self.close()
        if may_kill:
            self._popen.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(_TERM_S)
        return None

    def _drain(self, most_s: float) -> None:
        """Read on while it leaves, so that it does not wait for a full pipe."""
        deadline = time.monotonic() + most_s
        while self._popen.poll() is None and time.monotonic() < deadline:
            if self.read(0.05) is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._popen.wait(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Close our ends."""
        self._selector.close()
        for pipe in (self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
