"""The supervisor's end of the control socket: one JSON object per line, own user or root only."""

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ollamon.errors import ControlError, OllamonError
from ollamon.supervisor import messages
from ollamon.supervisor.journal import Journal

MAX_REQUEST = 64 * 1024
MAX_BEHIND = 256 * 1024
FAREWELL_S = 1.0


class Commands(Protocol):
    """What a client may ask of the supervisor."""

    def status(self) -> messages.StackStatus:
        """What is."""

    def request_stop(self, timeout_s: float | None = None) -> None:
        """Stop everything; after `timeout_s` by SIGKILL."""

    def restart(self, child: str) -> None:
        """Restart a child at once.

        Raises:
            ControlError: There is none of that name, or everything is stopping.
        """


class ControlServer:
    """Answers clients; a slow one is dropped, and none can hold the supervisor up."""

    def __init__(self, runtime: Path, commands: Commands, journal: Journal) -> None:
        self._path = runtime / messages.SOCKET_NAME
        self._commands = commands
        self._server: asyncio.Server | None = None
        self._followers: dict[asyncio.StreamWriter, object] = {}
        self._waiting: dict[asyncio.StreamWriter, object] = {}
        self._history = journal.history
        journal.subscribe(self._publish)

    async def start(self) -> None:
        """Listen. Only the holder of the lock may do so, since an old socket is removed.

        Raises:
            OSError: The socket cannot be made.
        """
        self._server = await asyncio.start_unix_server(
            self._serve, sock=_private_socket(self._path), limit=MAX_REQUEST
        )

    def close(self) -> None:
        """Accept nobody any more."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def farewell(self) -> None:
        """Answer those who asked for the stop: everything is down and the lock is free."""
        for writer, number in self._waiting.items():
            self._answer(writer, number, {})
        clients = [*self._waiting, *self._followers]
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(FAREWELL_S):
                for writer in clients:
                    await writer.drain()
        for writer in clients:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not _is_allowed(_peer_uid(writer.get_extra_info("socket"))):
                return
            while line := await reader.readline():
                self._handle(line, writer)
                await writer.drain()
        except (OSError, ValueError):
            # Gone, or a line without end.
            pass
        except asyncio.CancelledError:
            # The loop ends. Python 3.11 would log a cancelled handler as an error.
            pass
        finally:
            self._followers.pop(writer, None)
            self._waiting.pop(writer, None)
            writer.close()

    def _handle(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        number: object = None
        try:
            request = _parse(line)
            number = request["id"]
            self._do(request["cmd"], request["args"], number, writer)
        except OllamonError as error:
            problem = {"kind": error.kind, "message": str(error)}
            self._send(writer, number, {"ok": False, "error": problem})

    def _do(
        self, cmd: str, args: Mapping[str, Any], number: object, writer: asyncio.StreamWriter
    ) -> None:
        match cmd, args:
            case "status", _:
                self._answer(writer, number, messages.to_json(self._commands.status()))
            case "events", _:
                self._answer(writer, number, {})
                for event in self._history if args.get("replay") else ():
                    self._send(writer, number, {"event": messages.to_json(event)})
                self._followers[writer] = number
            case "stop", {"timeout": int() | float() as timeout_s}:
                self._waiting[writer] = number
                self._commands.request_stop(float(timeout_s))
            case "stop", _:
                self._waiting[writer] = number
                self._commands.request_stop()
            case "restart", {"child": str(child)}:
                self._commands.restart(child)
                self._answer(writer, number, {})
            case _:
                raise ControlError(f"cannot do {cmd!r} with {dict(args)}: unknown to this version")

    def _publish(self, event: messages.Event) -> None:
        for writer, number in list(self._followers.items()):
            self._send(writer, number, {"event": messages.to_json(event)})

    def _answer(
        self, writer: asyncio.StreamWriter, number: object, data: Mapping[str, object]
    ) -> None:
        self._send(writer, number, {"ok": True, "data": data})

    def _send(
        self, writer: asyncio.StreamWriter, number: object, body: Mapping[str, object]
    ) -> None:
        if writer.transport.get_write_buffer_size() > MAX_BEHIND:
            self._followers.pop(writer, None)
            writer.transport.abort()
            return
        document = {"v": messages.VERSION, "id": number, **body}
        writer.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")


def _parse(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("cannot read the request: it is no JSON") from None
    match document:
        case {"v": messages.VERSION, "cmd": str(cmd)}:
            args = document.get("args")
            arguments = args if isinstance(args, dict) else {}
            return {"id": document.get("id"), "cmd": cmd, "args": arguments}
        case {"v": int(version)} if version != messages.VERSION:
            raise ControlError(
                f"cannot answer: the supervisor speaks version {messages.VERSION} of the protocol, "
                f"not {version}"
            )
        case _:
            raise ControlError("cannot read the request: unknown shape")


def _private_socket(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(16)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(previous)
    return listener


def _is_allowed(uid: int) -> bool:
    return uid in (0, os.geteuid())


def _peer_uid(peer: socket.socket) -> int:
    """Return who is at the other end, as the kernel saw them connect."""
    if sys.platform == "linux":
        packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", packed)[1])
    # <sys/ucred.h>: struct xucred begins with its version and the uid; SOL_LOCAL is 0 and
    # LOCAL_PEERCRED 1.
    packed = peer.getsockopt(0, 1, 76)
    return int(struct.unpack_from("=II", packed)[1])
