"""The client's end of the control socket: blocking, standard library only, so that it is fast."""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ollamon.errors import ControlError, NotRunningError
from ollamon.supervisor import messages

MAX_LINE = 8 * 1024 * 1024


def ask(
    runtime: Path, cmd: str, args: Mapping[str, object] | None = None, timeout_s: float = 5.0
) -> dict[str, Any]:
    """Return the data that the supervisor answers.

    `status` gives a document for `messages.status_from_json`. `stop` (`timeout`: seconds until
    what is left is killed) answers when everything is down and the lock is free. `restart`
    (`child`) answers at once.

    Raises:
        NotRunningError: Nobody listens.
        ControlError: It refused, speaks another version, or gave no answer within `timeout_s`.
    """
    with _connect(runtime, timeout_s) as connection:
        for answer in _answers(connection, cmd, args):
            return answer
    raise ControlError(f"cannot get an answer to {cmd}: the supervisor hung up")


def follow(runtime: Path, *, replay: bool = False) -> Iterator[messages.Event]:
    """Yield events as they happen, until the supervisor ends.

    With `replay`, those that this run has seen so far (the last 256) come first.

    Raises:
        NotRunningError, ControlError: As `ask`.
    """
    with _connect(runtime, None) as connection:
        for answer in _answers(connection, "events", {"replay": replay}):
            if "event" in answer:
                yield messages.event_from_json(answer["event"])


def _connect(runtime: Path, timeout_s: float | None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(str(runtime / messages.SOCKET_NAME))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        raise NotRunningError(f"{runtime.name} is not running") from None
    except OSError as error:
        connection.close()
        raise ControlError(f"cannot reach the supervisor of {runtime.name}: {error}") from None
    return connection


def _answers(
    connection: socket.socket, cmd: str, args: Mapping[str, object] | None
) -> Iterator[dict[str, Any]]:
    request = {"v": messages.VERSION, "id": 1, "cmd": cmd, "args": dict(args or {})}
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            while line := lines.readline(MAX_LINE):
                yield _read(line, cmd)
    except TimeoutError:
        raise ControlError(f"cannot get an answer to {cmd}: the supervisor is silent") from None
    except ConnectionError:
        raise ControlError(f"cannot get an answer to {cmd}: the supervisor hung up") from None
    except OSError as error:
        raise ControlError(f"cannot get an answer to {cmd}: {error}") from None


def _read(line: bytes, cmd: str) -> dict[str, Any]:
    """Return `data` of a good answer, or the document of a streamed event."""
    try:
        document = json.loads(line)
    except ValueError:
        raise ControlError(f"cannot read the answer to {cmd}: it is no JSON") from None
    match document:
        case {"v": messages.VERSION, "ok": True, "data": dict(data)}:
            return data
        case {"v": messages.VERSION, "event": dict()}:
            return dict(document)
        case {"v": messages.VERSION, "ok": False, "error": {"message": str(message)}}:
            raise ControlError(message)
        case {"v": int(version)} if version != messages.VERSION:
            raise ControlError(
                f"cannot talk to the running supervisor: it speaks version {version} of the "
                f"protocol, this command version {messages.VERSION}; `ollamon down` with the "
                "version that started it"
            )
        case _:
            raise ControlError(f"cannot read the answer to {cmd}: unknown shape")
