"""What children write: from their pipe into a rotating file, as it is, and never against them.

A child is read whatever happens to the file or the terminal. A full disk loses lines, and says how
many bytes; it does not stop the child.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ollamon.supervisor import marks
from ollamon.supervisor.console import Console
from ollamon.supervisor.spec import LogSpec

CHUNK = 256 * 1024
RING = 256 * 1024
TAIL = 64 * 1024
MAX_DRAIN = 8 * 1024 * 1024


class RotatingFile:
    """A file for this user alone that makes room for itself: `x`, `x.1`, ... `x.<keep>`.

    `on_loss(reason)` is called at the first loss. `beside` is rotated whenever this one is.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        keep: int,
        on_loss: Callable[[str], None] = lambda reason: None,
        beside: "RotatingFile | None" = None,
    ) -> None:
        self.path = path
        self.dropped = 0
        self._max_bytes = max_bytes
        self._keep = keep
        self._on_loss = on_loss
        self._beside = beside
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes) -> int | None:
        """Append, and return at which offset; None when the disk does not take all of it.

        What it does not take is counted in `dropped`.
        """
        left = memoryview(data)
        try:
            descriptor = self._with_room(len(data))
            offset = self._size
            while left:
                written = os.write(descriptor, left)
                self._size += written
                left = left[written:]
        except OSError as error:
            is_first = not self.dropped
            self.dropped += len(left)
            if is_first:
                self._on_loss(error.strerror or str(error))
            return None
        return offset

    def resize(self, log: LogSpec) -> None:
        """Keep other limits from now on."""
        self._max_bytes, self._keep = log.max_bytes, log.keep

    def close(self) -> None:
        """Close; a later write opens it anew, which is how a moved file is given up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _with_room(self, size: int) -> int:
        """Return the descriptor of a file that may grow by so much."""
        if self._descriptor is not None and self._size and self._size + size > self._max_bytes:
            self.rotate()
        return self._open() if self._descriptor is None else self._descriptor

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        return self._descriptor

    def rotate(self) -> None:
        """Begin a new file. Raises OSError: The old one cannot be moved."""
        self.close()
        for number in range(self._keep, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number - 1).replace(self._numbered(number))
        if not self._keep:
            self.path.unlink(missing_ok=True)
        if self._beside is not None:
            self._beside.rotate()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path


class MarkedLog:
    """A rotating log, and beside it when and by whom it was written; see `marks`."""

    def __init__(
        self, path: Path, log: LogSpec, on_loss: Callable[[str], None] = lambda reason: None
    ) -> None:
        # Only together with the log.
        self._marks = RotatingFile(path.with_suffix(".marks"), sys.maxsize, log.keep)
        self.file = RotatingFile(path, log.max_bytes, log.keep, on_loss, self._marks)
        self._marked = 0.0

    def write(self, data: bytes) -> None:
        """Append."""
        offset = self.file.write(data)
        now = time.time()
        # The clock may have been set back.
        if offset is not None and (not offset or abs(now - self._marked) >= marks.RESOLUTION_S):
            self._mark(marks.Mark(offset, now))

    def begin(self, run_id: str, pid: int) -> None:
        """An incarnation starts."""
        self._mark_here(marks.START, run_id, pid)

    def end(self) -> None:
        """It has ended."""
        self._mark_here(marks.END)

    def close(self) -> None:
        """As `RotatingFile.close`."""
        self.file.close()
        self._marks.close()

    def _mark_here(self, what: str, run_id: str = "", pid: int | None = None) -> None:
        if (offset := self.file.write(b"")) is not None:
            self._mark(marks.Mark(offset, time.time(), what, run_id, pid))

    def _mark(self, mark: marks.Mark) -> None:
        self._marks.write(mark.encode())
        self._marked = mark.t


class Output:
    """Everything that one service writes, over all its incarnations."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        log: LogSpec,
        console: Console | None,
        on_loss: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._loop = loop
        self._name = name
        self._console = console
        self._ring = bytearray()
        self._pipe: int | None = None
        self._is_followed = False
        self._log = MarkedLog(log.folder / f"{name}.log", log, on_loss)

    @property
    def file(self) -> RotatingFile:
        """The log."""
        return self._log.file

    def follow(self, pipe: int, run_id: str, pid: int) -> None:
        """Read a new incarnation's pipe whenever it has something."""
        self._log.begin(run_id, pid)
        self._is_followed = True
        self._pipe = pipe
        self._loop.add_reader(pipe, self._read)

    def finish(self) -> None:
        """Take what is left in the pipe, and leave it; the pipe stays open."""
        if not self._is_followed:
            return
        self._is_followed = False
        # Bounded: a descendant outside the group may still be writing.
        taken = 0
        while taken < MAX_DRAIN and (size := self._read()):
            taken += size
        if self._pipe is not None:
            self._loop.remove_reader(self._pipe)
            self._pipe = None
        self._log.end()
        if self._console is not None:
            self._console.end_line(self._name)

    def close(self) -> None:
        """Close the files; what comes later opens them anew."""
        self._log.close()

    def tail(self, count: int) -> tuple[str, ...]:
        """Return its last lines."""
        text = bytes(self._ring[-TAIL:]).decode(errors="replace")
        return tuple(line.rstrip() for line in text.splitlines() if line.strip())[-count:]

    def _read(self) -> int:
        """Read once and pass on; return how much it was."""
        if self._pipe is None:
            return 0
        try:
            data = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            self._loop.remove_reader(self._pipe)
            self._pipe = None
            return 0
        self._log.write(data)
        self._ring += data
        if len(self._ring) > 2 * RING:
            del self._ring[:-RING]
        if self._console is not None:
            self._console.show(self._name, data)
        return len(data)
