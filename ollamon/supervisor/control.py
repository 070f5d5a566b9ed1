"""The client's end of the control socket: blocking, standard library only, so that it is fast.

What can be asked (`ask`), its arguments, and the data that comes back:

    status                                     a document for `messages.status_from_json`
    history                                    `events`, the last 256 of this run
    stop     timeout                           everything; answers when it is down
    start    children                          `children`: these and all that they require
    stop     children, dependents, timeout     `children`: these and all that require them
    restart  children, dependents              `children`: the same
    restart  supervisor                        everything, itself too; answers when it is down
    wait     children, for, timeout            `children`, once all are there
    reload   dry_run                           `plan`: `name`, `action`, `fields` of each child

`start`, `stop` and `restart` of children answer at once: `wait` tells the outcome. `dependents`
(default true): take those along that `require` one of the children. `timeout`: seconds until what
is left is killed; for `wait`, seconds until it gives up. `for`: `ready` (the default) or `stopped`.
An error that the supervisor answers is raised as what it is: `wait` gives StartError for a child
that failed or is late, DegradedError when all run but not all are well.
"""

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ollamon import errors
from ollamon.errors import ControlError, NotRunningError, OtherVersionError
from ollamon.supervisor import messages

MAX_LINE = 8 * 1024 * 1024
# The supervisor's own answer that it is too late comes first.
MARGIN_S = 5.0


def ask(
    runtime: Path,
    cmd: str,
    args: Mapping[str, object] | None = None,
    timeout_s: float | None = 5.0,
) -> dict[str, Any]:
    """Return the data that the supervisor answers.

    Raises:
        NotRunningError: Nobody listens.
        ControlError: It refused, speaks another version, or gave no answer within `timeout_s`.
        OllamonError: What the supervisor says, by its kind.
    """
    try:
        with _connect(runtime, timeout_s) as connection:
            for _, answer in _answers(connection, runtime, (cmd, args or {})):
                return answer
    except TimeoutError:
        silence = f"the supervisor is silent{_who(runtime)}"
        raise ControlError(f"cannot get an answer to {cmd}: {silence}") from None
    raise ControlError(f"cannot get an answer to {cmd}: the supervisor hung up")


def list_of(data: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list in what was answered. Raises ControlError: It is not there."""
    match data.get(key):
        case list() as items:
            return items
        case _:
            raise ControlError(f"cannot read the supervisor's answer: it has no list of {key}")


def wait(
    runtime: Path, children: Sequence[str], goal: str = "ready", timeout_s: float | None = None
) -> None:
    """Return when all these children are `ready`, or `stopped`.

    Raises:
        StartError, DegradedError: They are not within `timeout_s`, or never will be.
        NotRunningError, ControlError: As `ask`.
    """
    for _ in watch(runtime, children, goal, timeout_s):
        pass


def watch(
    runtime: Path, children: Sequence[str], goal: str = "ready", timeout_s: float | None = None
) -> Iterator[messages.Event]:
    """As `wait`, and yield what happens meanwhile."""
    args: dict[str, object] = {"children": list(children), "for": goal}
    if timeout_s is not None:
        args["timeout"] = timeout_s
    limit_s = None if timeout_s is None else timeout_s + MARGIN_S
    try:
        with _connect(runtime, limit_s) as connection:
            for number, answer in _answers(connection, runtime, ("events", {}), ("wait", args)):
                if "event" in answer:
                    yield messages.event_from_json(answer["event"])
                elif number == 2:
                    return
    except TimeoutError:
        raise ControlError(f"cannot wait: the supervisor is silent{_who(runtime)}") from None
    raise ControlError("cannot wait: the supervisor hung up")


def follow(runtime: Path, *, replay: bool = False) -> Iterator[messages.Event]:
    """Yield events as they happen, until the supervisor ends.

    With `replay`, those that this run has seen so far (the last 256) come first.

    Raises:
        NotRunningError, ControlError: As `ask`.
    """
    with _connect(runtime, None) as connection:
        for _, answer in _answers(connection, runtime, ("events", {"replay": replay})):
            if "event" in answer:
                yield messages.event_from_json(answer["event"])


def terminate(runtime: Path, timeout_s: float | None = None) -> None:
    """Stop a supervisor of any version, by a signal to who listens; return when it has ended.

    Raises:
        NotRunningError: Nobody listens.
        ControlError: It cannot be signalled, or does not end within `timeout_s`.
    """
    with _connect(runtime, timeout_s) as connection:
        pid = _peer_pid(connection)
        try:
            os.kill(pid, signal.SIGTERM)
            # It closes its end when it has stopped everything, or ends.
            while connection.recv(MAX_LINE):
                pass
        except TimeoutError:
            raise ControlError(f"pid {pid} has not ended within {timeout_s:g} s") from None
        except ConnectionError:
            return
        except OSError as error:
            raise ControlError(f"cannot stop pid {pid}: {error.strerror}") from None


def _peer_pid(connection: socket.socket) -> int:
    """Return who listens, as the kernel knows it."""
    if sys.platform == "linux":
        level, name = socket.SOL_SOCKET, socket.SO_PEERCRED
    else:
        # <sys/un.h>: SOL_LOCAL is 0 and LOCAL_PEERPID 2.
        level, name = 0, 2
    pid = int(struct.unpack_from("i", connection.getsockopt(level, name, 12))[0])
    if pid <= 1:
        raise ControlError("cannot stop the supervisor: the system does not say who it is")
    return pid


def _version_in(runtime: Path) -> str:
    """Return the version in run.json, whatever else is in it; "" when there is none."""
    try:
        version = json.loads((runtime / messages.RUN_NAME).read_text())["version"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""
    return version if isinstance(version, str) else ""


def _connect(runtime: Path, timeout_s: float | None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(str(runtime / messages.SOCKET_NAME))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        raise NotRunningError(f"{runtime.name} is not running") from None
    except TimeoutError:
        connection.close()
        raise
    except OSError as error:
        connection.close()
        if error.errno is None:
            # Too long a path for a socket: nobody can listen there.
            raise NotRunningError(f"{runtime.name} is not running") from None
        raise ControlError(f"cannot reach the supervisor of {runtime.name}: {error}") from None
    return connection


def _answers(
    connection: socket.socket, runtime: Path, *requests: tuple[str, Mapping[str, object]]
) -> Iterator[tuple[object, dict[str, Any]]]:
    """Ask, and yield which request (1, 2, ...) is answered, and with what."""
    cmd = requests[-1][0]
    try:
        for number, (word, args) in enumerate(requests, 1):
            request = {"v": messages.VERSION, "id": number, "cmd": word, "args": dict(args)}
            connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            while line := lines.readline(MAX_LINE):
                yield _read(line, runtime, cmd)
    except TimeoutError:
        raise
    except ConnectionError:
        raise ControlError(f"cannot get an answer to {cmd}: the supervisor hung up") from None
    except OSError as error:
        raise ControlError(f"cannot get an answer to {cmd}: {error}") from None


def _who(runtime: Path) -> str:
    """Return `, pid 7`, and why it is silent when that can be seen; "" when nobody is known."""
    try:
        pid = int((runtime / messages.LOCK_NAME).read_text())
    except (OSError, ValueError):
        return ""
    state = _state_of(pid)
    if state == "T":
        return f": pid {pid} is suspended (state T); `kill -CONT {pid}` lets it go on"
    return f": pid {pid}" + (f" (state {state})" if state else "")


def _state_of(pid: int) -> str:
    """Return the letter that `ps` shows; "" where it cannot be read, as on macOS."""
    try:
        # proc(5): the third field, after a name that may hold anything.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _read(line: bytes, runtime: Path, cmd: str) -> tuple[object, dict[str, Any]]:
    """Return the request's number, and `data` of a good answer or the document of an event."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError(f"cannot read the answer to {cmd}: it is no JSON") from None
    match document:
        case {"v": messages.VERSION, "ok": True, "data": dict(data)}:
            return document.get("id"), data
        case {"v": messages.VERSION, "event": dict()}:
            return document.get("id"), document
        case {
            "v": messages.VERSION,
            "ok": False,
            "error": {"kind": str(), "message": str()} as error,
        }:
            raise errors.from_document(error)
        case {"v": int(protocol)} if protocol != messages.VERSION:
            raise OtherVersionError(messages.other_version(_version_in(runtime), protocol))
        case _:
            raise ControlError(f"cannot read the answer to {cmd}: unknown shape")
