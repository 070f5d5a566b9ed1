"""The terminal of a foreground run: our lines and the children's, in order, never blocking.

The supervisor must not wait for a terminal that scrolls slowly or was stopped with Ctrl-S. What it
does not take is kept; beyond a limit the children's lines are dropped and counted.
"""

import asyncio
import contextlib
import io
import os
import select
import stat
import sys
from collections.abc import Iterable
from typing import TextIO

MAX_PENDING = 256 * 1024
LAST_WORDS_S = 1.0


class Screen:
    """Writes to a terminal, pipe or file. Children's lines are held until `release`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: TextIO) -> None:
        self._loop = loop
        self._stream = stream
        self._held: list[str] | None = []
        self._pending = bytearray()
        self._skipped = 0
        self._is_waiting = False
        self._descriptor = _own_descriptor(stream)
        self.logs: TextIO = _Logs(self)

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self._stream.isatty()

    @property
    def is_behind(self) -> bool:
        """Whether the terminal has not taken everything yet."""
        return bool(self._pending)

    def say(self, lines: Iterable[str]) -> None:
        """Write lines of our own."""
        self._write("".join(f"{line}\n" for line in lines))

    def log(self, text: str) -> None:
        """Write lines of the children, unless the terminal is too far behind."""
        if self._held is not None:
            self._held.append(text)
            if sum(map(len, self._held)) > MAX_PENDING:
                self._skipped += self._held.pop(0).count("\n")
        elif len(self._pending) > MAX_PENDING:
            self._skipped += text.count("\n")
        else:
            self._write(text)

    def release(self) -> None:
        """Show what children have written, from now on at once."""
        held, self._held = self._held or [], None
        self._tell_skipped()
        for text in held:
            self._write(text)

    def close(self) -> None:
        """Write what can be written soon, and let go."""
        if self._descriptor is None:
            return
        self._wait_no_more()
        with contextlib.suppress(OSError):
            while self._pending and select.select([], [self._descriptor], [], LAST_WORDS_S)[1]:
                del self._pending[: os.write(self._descriptor, self._pending)]
        os.close(self._descriptor)
        self._descriptor = None

    def _write(self, text: str) -> None:
        if self._descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return
        self._pending += text.encode(errors="replace")
        if not self._is_waiting:
            self._flush()

    def _flush(self) -> None:
        if self._descriptor is None:
            return
        try:
            while self._pending:
                del self._pending[: os.write(self._descriptor, self._pending)]
        except BlockingIOError:
            if not self._is_waiting:
                self._loop.add_writer(self._descriptor, self._flush)
                self._is_waiting = True
            return
        except OSError:
            # The terminal is gone, or the reader of the pipe.
            self._pending.clear()
        self._wait_no_more()
        self._tell_skipped()

    def _tell_skipped(self) -> None:
        # While they are held, more may be dropped: told once, when they are shown.
        if self._skipped and self._held is None:
            skipped, self._skipped = self._skipped, 0
            self._write(f"{'ollamon':<10} │ … {skipped} lines not shown\n")

    def _wait_no_more(self) -> None:
        if self._is_waiting and self._descriptor is not None:
            self._loop.remove_writer(self._descriptor)
            self._is_waiting = False


class _Logs(io.StringIO):
    """Where the supervisor's console writes: it has no descriptor, so all passes through us."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def write(self, text: str, /) -> int:
        """Pass lines on."""
        self._screen.log(text)
        return len(text)

    def isatty(self) -> bool:
        """Colours fit here when they fit on the screen."""
        return self._screen.is_terminal


def _own_descriptor(stream: TextIO) -> int | None:
    """Open a terminal or pipe once more, so that O_NONBLOCK is ours alone and not the shell's.

    Returns None for what takes everything at once, or cannot be opened again.
    """
    try:
        descriptor = stream.fileno()
        is_terminal = os.isatty(descriptor)
        if not is_terminal and not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return None
        stream.flush()
        path = os.ttyname(descriptor) if is_terminal else f"/proc/self/fd/{descriptor}"
        if not is_terminal and sys.platform != "linux":
            return None
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError, AttributeError):
        return None
