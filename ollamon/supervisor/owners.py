"""Who holds a port: pid, program, user and systemd unit, as far as this user may know."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_UNIT = re.compile(r"/([\w@.\\-]+\.service)")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that listens.

    Attributes:
        unit: Its systemd unit, "" when it has none.
        age_s: Seconds since it began.
    """

    pid: int
    name: str
    user: str
    unit: str
    age_s: float


def owner_of(port: int) -> Owner | None:
    """Return who listens on a TCP port; None when nobody does or it may not be seen."""
    for pid in _listeners(port):
        owner = _describe(pid)
        if owner is not None:
            return owner
    return None


def _listeners(port: int) -> Iterator[int]:
    """Pids that listen on the port; of this user's processes alone where the system is strict."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        # macOS tells root only about all processes.
        yield from _own_listeners(port)
        return
    for connection in connections:
        if connection.pid is not None and _is_listener(connection, port):
            yield connection.pid


def _own_listeners(port: int) -> Iterator[int]:
    for process in psutil.process_iter():
        try:
            connections = process.net_connections(kind="tcp")
        except (psutil.Error, OSError):
            continue
        if any(_is_listener(connection, port) for connection in connections):
            yield process.pid


def _is_listener(connection: object, port: int) -> bool:
    address = getattr(connection, "laddr", None)
    is_listening = getattr(connection, "status", "") == psutil.CONN_LISTEN
    return bool(is_listening and address and address.port == port)


def _describe(pid: int) -> Owner | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            age_s = max(0.0, time.time() - process.create_time())
            return Owner(pid, process.name(), process.username(), _unit_of(pid), age_s)
    except (psutil.Error, OSError, KeyError):
        return None


def _unit_of(pid: int) -> str:
    """The innermost service of its control group; a session's scope is no unit to stop."""
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text(errors="replace")
    except OSError:
        return ""
    units = _UNIT.findall(text)
    return units[-1] if units and not units[-1].startswith("user@") else ""
