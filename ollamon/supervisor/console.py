"""The foreground view: lines of all children with their names before them. Drops, never blocks."""

import asyncio
import contextlib
import os
import select
import stat
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from ollamon.supervisor.terminal import plain

MAX_PENDING = 256 * 1024
MAX_LINE = 16 * 1024
# POSIX: a pipe that polls writable takes so much without blocking.
SAFE_PIECE = 512
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Console:
    """Writes to a terminal, pipe or file on behalf of all children."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stream: TextIO,
        names: Sequence[str],
        *,
        is_coloured: bool,
        has_timestamps: bool = False,
    ) -> None:
        self._has_timestamps = has_timestamps
        self._loop = loop
        self._stream = stream
        self._is_coloured = is_coloured
        self._prefixes = _prefixes(names, is_coloured=is_coloured)
        self._rests = dict.fromkeys(names, b"")
        self._skipped: Counter[str] = Counter()
        self._pending = bytearray()
        self._is_waiting = False
        self._descriptor, self._is_ours = _own_descriptor(stream)

    def know(self, names: Sequence[str]) -> None:
        """Further children will write."""
        self._prefixes |= _prefixes([*self._prefixes, *names], is_coloured=self._is_coloured)
        self._rests = {**dict.fromkeys(names, b""), **self._rests}

    def show(self, name: str, data: bytes) -> None:
        """Show the whole lines of what a child wrote; keep the rest until it is whole."""
        if len(self._pending) >= MAX_PENDING:
            self._skipped[name] += data.count(b"\n")
            return
        *lines, rest = (self._rests[name] + data).split(b"\n")
        if len(rest) > MAX_LINE:
            lines, rest = [*lines, rest], b""
        self._rests[name] = rest
        self._write(b"".join(self._line(name, line) for line in lines))

    def end_line(self, name: str) -> None:
        """The child is gone: what it left unfinished is a line too."""
        rest, self._rests[name] = self._rests[name], b""
        if rest:
            self._write(self._line(name, rest))

    def close(self) -> None:
        """Write what fits without waiting, and let go."""
        self._flush()
        if self._is_waiting and self._descriptor is not None:
            self._loop.remove_writer(self._descriptor)
        if self._is_ours and self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def _line(self, name: str, line: bytes) -> bytes:
        line = line.rstrip(b"\r")
        if not self._is_coloured:
            line = plain(line)
        end = b"\x1b[0m\n" if self._is_coloured and b"\x1b" in line else b"\n"
        return self._moment() + self._prefixes[name] + line[:MAX_LINE] + end

    def _moment(self) -> bytes:
        if not self._has_timestamps:
            return b""
        now = time.time()
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        return f"{clock}.{int(now % 1 * 1000):03} ".encode()

    def _write(self, data: bytes) -> None:
        if self._descriptor is None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(data.decode(errors="replace"))
            return
        self._pending += data
        if not self._is_waiting:
            self._flush()

    def _flush(self) -> None:
        if self._descriptor is None:
            return
        try:
            while self._pending:
                del self._pending[: self._write_some(self._descriptor)]
        except BlockingIOError:
            self._wait()
            return
        except OSError:
            # The terminal is gone, or the reader of the pipe.
            self._pending.clear()
        self._wait_no_more()
        self._tell_skipped()

    def _write_some(self, descriptor: int) -> int:
        if self._is_ours:
            return os.write(descriptor, self._pending)
        if not select.select([], [descriptor], [], 0)[1]:
            raise BlockingIOError
        return os.write(descriptor, self._pending[:SAFE_PIECE])

    def _wait(self) -> None:
        if not self._is_waiting and self._descriptor is not None:
            self._loop.add_writer(self._descriptor, self._flush)
            self._is_waiting = True

    def _wait_no_more(self) -> None:
        if self._is_waiting and self._descriptor is not None:
            self._loop.remove_writer(self._descriptor)
            self._is_waiting = False

    def _tell_skipped(self) -> None:
        skipped, self._skipped = self._skipped, Counter()
        for name, count in skipped.items():
            if count:
                # The rest of a line whose middle was skipped would be a lie.
                self._rests[name] = b""
                note = f"… {count:,} lines not shown".replace(",", " ")
                self._write(self._line(name, note.encode()))


def _prefixes(names: Sequence[str], *, is_coloured: bool) -> dict[str, bytes]:
    width = max(10, *(len(name) for name in names)) if names else 10
    prefixes = {}
    for position, name in enumerate(names):
        colour = _COLOURS[position % len(_COLOURS)]
        text = f"{name:<{width}} │ "
        prefixes[name] = (f"\x1b[{colour}m{text}\x1b[0m" if is_coloured else text).encode()
    return prefixes


def _own_descriptor(stream: TextIO) -> tuple[int | None, bool]:
    """Open the stream's file once more, so that O_NONBLOCK is ours alone and not the shell's.

    Returns the descriptor and whether it is ours; (None, False) for a stream without a file.
    """
    try:
        descriptor = stream.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except (OSError, ValueError, AttributeError):
        return None, False
    if not is_pipe and not os.isatty(descriptor):
        # A plain file takes everything at once, and its offset is shared with other writers.
        return descriptor, False
    path = f"/proc/self/fd/{descriptor}" if sys.platform == "linux" else None
    with contextlib.suppress(OSError):
        path = os.ttyname(descriptor)
    if path is not None:
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            return os.open(path, flags), True
    return descriptor, False
