"""The runtime folder: safe, short enough for a socket, and held by one supervisor alone."""

import fcntl
import os
import stat
import sys
from pathlib import Path

from ollamon.errors import AlreadyRunningError, RuntimeFolderError
from ollamon.supervisor.leftovers import Leftover, describe, leftovers, remains, sweep
from ollamon.supervisor.messages import LOCK_NAME, SOCKET_NAME

__all__ = [
    "Leftover",
    "Lock",
    "acquire",
    "describe",
    "leftovers",
    "lock_file",
    "prepare",
    "remains",
    "sweep",
]

# sun_path of sockaddr_un, with its final zero: 108 bytes on Linux, 104 on macOS and the BSDs.
SOCKET_PATH_BYTES = 108 if sys.platform == "linux" else 104


class Lock:
    """An flock: ends with the process, so it is never stale."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let the next one in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def prepare(runtime: Path) -> None:
    """Make the folder, 0700.

    Raises:
        RuntimeFolderError: It is a symbolic link, no folder, another user's, or too long a path.
    """
    length = len(os.fsencode(runtime / SOCKET_NAME)) + 1
    if length > SOCKET_PATH_BYTES:
        raise RuntimeFolderError(
            f"cannot use {runtime}: a socket's path there has {length} bytes, the system takes "
            f"{SOCKET_PATH_BYTES}; set [paths] runtime to a shorter one"
        )
    try:
        runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check(runtime, runtime.lstat())
    except OSError as error:
        raise RuntimeFolderError(f"cannot use {runtime}: {error.strerror}") from None


def acquire(runtime: Path) -> Lock:
    """Become the one supervisor of this folder.

    Raises:
        AlreadyRunningError: Another one is.
        RuntimeFolderError: As `prepare`.
    """
    prepare(runtime)
    try:
        return lock_file(runtime / LOCK_NAME)
    except BlockingIOError as error:
        raise AlreadyRunningError(f"{runtime.name} is already running{error.args[1]}") from None
    except OSError as error:
        raise RuntimeFolderError(f"cannot lock {runtime}: {error.strerror}") from None


def lock_file(path: Path) -> Lock:
    """Take an flock on a file, made when it is missing; it then names this process.

    Raises:
        BlockingIOError: Somebody has it; its second argument is `, pid N` when that is known.
        OSError: It cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except BlockingIOError as error:
        owner = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise BlockingIOError(error.errno, f", pid {owner}" if owner else "") from None
    except OSError:
        os.close(descriptor)
        raise
    return Lock(descriptor)


def _check(runtime: Path, facts: os.stat_result) -> None:
    if not stat.S_ISDIR(facts.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(facts.st_mode) else "no folder"
        raise RuntimeFolderError(f"cannot use {runtime}: it is {what}")
    if facts.st_uid != os.geteuid():
        raise RuntimeFolderError(
            f"cannot use {runtime}: it belongs to user id {facts.st_uid}, not to {os.geteuid()}"
        )
    if stat.S_IMODE(facts.st_mode) & 0o077:
        runtime.chmod(0o700)
