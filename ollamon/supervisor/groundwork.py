"""Everything that can fail before a process exists: leftovers, ports, locks, files, sockets."""

import contextlib
import errno
from dataclasses import replace
from pathlib import Path

from ollamon.errors import AlreadyRunningError, PortInUseError, RuntimeFolderError, StartError
from ollamon.supervisor import preflight, runfile, state
from ollamon.supervisor.journal import Journal
from ollamon.supervisor.sockets import HeldSockets
from ollamon.supervisor.spec import ServiceSpec, StackSpec


def lay(stack: StackSpec, held: contextlib.ExitStack, journal: Journal) -> dict[str, HeldSockets]:
    """Make the ground safe to start on; return each service's sockets, bound.

    Locks and sockets belong to `held`.

    Raises:
        AlreadyRunningError, LeftoverError, PortInUseError, ProgramMissingError,
        RuntimeFolderError, StartError: It is not; nothing was started.
    """
    _sweep(stack.runtime, journal)
    preflight.check(stack)
    for service in stack.services:
        if service.data_lock is not None:
            held.callback(_lock_data(service.name, service.data_lock).release)
        for path, text in service.files.items():
            _write(service.name, path, text)
    return {service.name: _bound(service, held) for service in stack.services}


def _sweep(runtime: Path, journal: Journal) -> None:
    found = state.remains(runtime)
    if found.leftovers:
        state.sweep(found.leftovers)
        names = ", ".join(f"{leftover.name} pid {leftover.pid}" for leftover in found.leftovers)
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


def _bound(service: ServiceSpec, held: contextlib.ExitStack) -> HeldSockets:
    # A foreign program would not know what to do with a socket of ours.
    can_inherit = service.section is not None
    sockets = HeldSockets(
        replace(listen, held=listen.held and can_inherit) for listen in service.listens
    )
    held.callback(sockets.close)
    try:
        sockets.open()
    except PortInUseError as error:
        # Taken since the preflight, a moment ago.
        raise PortInUseError(f"{error}, wanted by {service.name}") from None
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        raise StartError(f"cannot start {service.name}: {error.strerror} ({name})") from None
    return sockets
