"""What children write: from their pipe into a rotating file, as it is, and never against them.

A child is read whatever happens to the file or the terminal. A full disk loses lines, and says how
many bytes; it does not stop the child.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from ollamon.supervisor.console import Console
from ollamon.supervisor.spec import LogSpec

CHUNK = 256 * 1024
RING = 256 * 1024
TAIL = 64 * 1024
MAX_DRAIN = 8 * 1024 * 1024


class RotatingFile:
    """A file for this user alone that makes room for itself: `x`, `x.1`, ... `x.<keep>`.

    `on_loss(reason)` is called at the first loss.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        keep: int,
        on_loss: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.path = path
        self.dropped = 0
        self._max_bytes = max_bytes
        self._keep = keep
        self._on_loss = on_loss
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append; what the disk does not take is counted in `dropped`."""
        left = memoryview(data)
        try:
            descriptor = self._with_room(len(data))
            while left:
                written = os.write(descriptor, left)
                self._size += written
                left = left[written:]
        except OSError as error:
            is_first = not self.dropped
            self.dropped += len(left)
            if is_first:
                self._on_loss(error.strerror or str(error))

    def close(self) -> None:
        """Close; a later write opens it anew, which is how a moved file is given up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _with_room(self, size: int) -> int:
        """Return the descriptor of a file that may grow by so much."""
        if self._descriptor is not None and self._size and self._size + size > self._max_bytes:
            self._rotate()
        return self._open() if self._descriptor is None else self._descriptor

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        return self._descriptor

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number - 1).replace(self._numbered(number))
        if not self._keep:
            self.path.unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path


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
        path = log.folder / f"{name}.log"
        self.file = RotatingFile(path, log.max_bytes, log.keep, on_loss)

    def follow(self, pipe: int) -> None:
        """Read a child's pipe whenever it has something."""
        self._pipe = pipe
        self._loop.add_reader(pipe, self._read)

    def finish(self) -> None:
        """Take what is left in the pipe, and leave it; the pipe stays open."""
        if self._pipe is None:
            return
        # Bounded: a descendant outside the group may still be writing.
        taken = 0
        while taken < MAX_DRAIN and (size := self._read()):
            taken += size
        if self._pipe is not None:
            self._loop.remove_reader(self._pipe)
            self._pipe = None
        if self._console is not None:
            self._console.end_line(self._name)

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
        self.file.write(data)
        self._ring += data
        if len(self._ring) > 2 * RING:
            del self._ring[:-RING]
        if self._console is not None:
            self._console.show(self._name, data)
        return len(data)
