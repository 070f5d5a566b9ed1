"""Everything that can fail before a process exists: leftovers, ports, locks, files, sockets."""

import contextlib
import errno
from dataclasses import dataclass, replace
from pathlib import Path

from ollamon.errors import (
    AlreadyRunningError,
    LeftoverError,
    OllamonError,
    PortInUseError,
    RuntimeFolderError,
    StartError,
)
from ollamon.supervisor import preflight, runfile, state
from ollamon.supervisor.journal import Journal
from ollamon.supervisor.sockets import HeldSockets
from ollamon.supervisor.spec import ServiceSpec, StackSpec


@dataclass(slots=True)
class Ground:
    """What a service stands on: its sockets, and its lock on its data."""

    sockets: HeldSockets
    lock: state.Lock | None = None

    def close(self) -> None:
        """Give everything back."""
        self.sockets.close()
        if self.lock is not None:
            self.lock.release()

    def inherit(self, other: "Ground", *, has_same_lock: bool) -> None:
        """Take over from what the service stood on before."""
        self.sockets.inherit(other.sockets)
        if has_same_lock:
            self.lock, other.lock = other.lock, None
        other.close()


def lay(stack: StackSpec, held: contextlib.ExitStack, journal: Journal) -> dict[str, Ground]:
    """Make the ground safe to start on; return each service's, its sockets bound.

    All of it belongs to `held`.

    Raises:
        AlreadyRunningError, LeftoverError, PortInUseError, ProgramMissingError,
        RuntimeFolderError, StartError: It is not; nothing was started.
    """
    _sweep(stack, journal)
    preflight.check(stack)
    grounds = {}
    for service in stack.services:
        grounds[service.name] = ground = prepare(service)
        held.callback(ground.close)
        write_files(service)
    return grounds


def prepare(
    service: ServiceSpec, before: Ground | None = None, *, has_same_lock: bool = False
) -> Ground:
    """Return the ground of a service, without what it gets from the one `before`.

    Raises:
        AlreadyRunningError, PortInUseError, RuntimeFolderError, StartError: It cannot be had.
    """
    lock = None
    if service.data_lock is not None and not has_same_lock:
        lock = _lock_data(service.name, service.data_lock)
    try:
        return Ground(_bound(service, before), lock)
    except OllamonError:
        if lock is not None:
            lock.release()
        raise


def write_files(service: ServiceSpec) -> None:
    """Write the files of a service. Raises StartError: One cannot be written."""
    for path, text in service.files.items():
        _write(service.name, path, text)


def _sweep(stack: StackSpec, journal: Journal) -> None:
    found = state.remains(stack.runtime)
    if found.leftovers:
        names = state.describe(found.leftovers)
        if stack.orphans != "kill":
            raise LeftoverError(f"cannot start beside what a dead run has left: {names}")
        state.sweep(found.leftovers)
        journal.emit("", "swept", f"removed what a dead run had left: {names}")
    for child in found.strangers:
        journal.emit("", "spared", f"pid {child.pid} was {child.name} of a dead run and is no more")


def _lock_data(service: str, path: Path) -> state.Lock:
    try:
        return state.lock_file(path)
    except BlockingIOError as error:
        raise AlreadyRunningError(
            f"cannot start {service}: another stack uses {path}{error.args[1]}"
        ) from None
    except OSError as error:
        raise RuntimeFolderError(f"cannot lock {path}: {error.strerror}") from None


def _write(service: str, path: Path, text: str) -> None:
    try:
        runfile.write_atomically(path, text)
    except OSError as error:
        raise StartError(
            f"cannot start {service}: {path} cannot be written: {error.strerror}"
        ) from None


def _bound(service: ServiceSpec, before: Ground | None) -> HeldSockets:
    # A foreign program would not know what to do with a socket of ours.
    can_inherit = service.section is not None
    listens = [replace(listen, held=listen.held and can_inherit) for listen in service.listens]
    ahead = HeldSockets(()) if before is None else before.sockets
    try:
        return ahead.successor(listens)
    except PortInUseError as error:
        # Taken since the preflight, a moment ago.
        raise PortInUseError(f"{error}, wanted by {service.name}") from None
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        raise StartError(f"cannot start {service.name}: {error.strerror} ({name})") from None
