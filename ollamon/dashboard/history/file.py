"""The SQLite file: opened late, for its owner alone, and never in the way of the page.

A file that cannot be used (a full disk, no permission) is tried again after a minute; one that is
no database any more is moved aside, and a new one begins.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ollamon.errors import HistoryError

RETRY_S = 60.0
# A checkpoint folds the log into the file; what a burst left of it is given back.
_MAX_LOG = 8 * 1024 * 1024
_BUSY_S = 2.0
_COMPANIONS = ("", "-wal", "-shm")
# sqlite.org/rescode.html: the primary codes of a file that no second try mends.
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY = 0xFF

Result = TypeVar("Result")
InThread = Callable[[Callable[[], Any]], Any]
"""Runs a call that blocks, where it holds up nobody, and returns what it returned."""
Work = Callable[[sqlite3.Connection], Result]


class HistoryFile:
    """One file, one connection; to be used by one thread at a time.

    Args:
        path: Where it lies; None keeps nothing on disk.
        prepare: Creates the tables that are missing.
        clock: Monotonic seconds.

    Attributes:
        error: Why it cannot be used now; "" when it can, or when there is none.
        moved: Where the broken file before it went; "" when there was none.
    """

    def __init__(
        self,
        path: Path | None,
        prepare: Work[None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.error = ""
        self.moved = ""
        self._path = path
        self._prepare = prepare
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._failed_at: float | None = None

    def read(self, work: Work[Result]) -> Result:
        """Run a query; what is there can be read although nothing can be written.

        Raises:
            HistoryError: The file cannot be used.
        """
        return self._run(work)

    def write(self, work: Work[Result]) -> Result:
        """Run changes as one transaction: all of them or none.

        Raises:
            HistoryError: The file cannot be used, or could not within the last minute.
        """
        if self._failed_at is not None and self._clock() - self._failed_at < RETRY_S:
            raise HistoryError(self.error)

        def transaction(connection: sqlite3.Connection) -> Result:
            with _transaction(connection):
                return work(connection)

        result = self._run(transaction)
        self.error, self._failed_at = "", None
        return result

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _run(self, work: Work[Result]) -> Result:
        path = self._path
        if path is None:
            raise HistoryError("no history is kept on disk")
        try:
            return work(self._opened(path))
        except sqlite3.DatabaseError as error:
            raise self._failed(path, str(error), is_broken=_is_broken(error)) from None
        except OSError as error:
            raise self._failed(path, (error.strerror or str(error)).lower()) from None

    def _opened(self, path: Path) -> sqlite3.Connection:
        if self._connection is None:
            connection = connect(path)
            try:
                self._check(connection)
                with _transaction(connection):
                    self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _check(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        # What a power cut takes is what the proxy still has, or a minute of samples.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={_MAX_LOG}")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise BrokenFileError(verdict)

    def _failed(self, path: Path, reason: str, *, is_broken: bool = False) -> HistoryError:
        if is_broken:
            self.close()
            self.moved = str(_move_aside(path))
            # The next call finds room for a new one.
            return HistoryError(f"{path} is damaged ({reason}); it is now {self.moved}")
        self._failed_at = self._clock()
        self.error = f"cannot use {path}: {reason}"
        return HistoryError(self.error)


class BrokenFileError(sqlite3.DatabaseError):
    """The file's own check says that it is damaged."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, created for this user alone.

    Raises:
        OSError, sqlite3.Error: It cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite gives its log the mode of the file, so it must be right before the first byte.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a file that exists, beside whoever writes it.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, timeout=_BUSY_S, isolation_level=None, uri=True)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, BrokenFileError) or (code is not None and code & _PRIMARY in _BROKEN)


def _move_aside(path: Path) -> Path:
    """Rename a file and its log; the one that was moved before is overwritten."""
    aside = path.with_name(f"{path.name}.broken")
    for ending in _COMPANIONS:
        old = path.with_name(path.name + ending)
        new = aside.with_name(aside.name + ending)
        new.unlink(missing_ok=True)
        if old.exists():
            old.rename(new)
    return aside
