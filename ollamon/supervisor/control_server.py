"""The supervisor's end of the control socket: one JSON object per line, own user or root only."""

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from ollamon import errors
from ollamon.errors import ControlError, OllamonError
from ollamon.supervisor import messages
from ollamon.supervisor.changes import Change, TellPlan
from ollamon.supervisor.journal import Journal
from ollamon.supervisor.requests import Request, names_of, parse, seconds_of, switch_of
from ollamon.supervisor.verdict import Member
from ollamon.supervisor.waits import Goal, Waits

MAX_REQUEST = 64 * 1024
MAX_BEHIND = 256 * 1024
FAREWELL_S = 1.0


class Commands(Protocol):
    """What a client may ask of the supervisor."""

    def status(self) -> messages.StackStatus:
        """What is."""

    def request_stop(self, timeout_s: float | None = None) -> None:
        """Stop everything; after `timeout_s` by SIGKILL."""

    def request_restart(self) -> None:
        """Stop everything, and let the caller of `run` start it anew."""

    def members(self) -> list[Member]:
        """Where each child is."""

    def reload(self, tell: TellPlan, *, is_dry: bool = False) -> None:
        """Become what the configuration says now. Raises ControlError: Not now."""

    def start(self, names: Sequence[str]) -> list[str]:
        """Start children and what they require; return who it concerns.

        Raises:
            ControlError: There is none of that name, or everything is stopping.
        """

    def stop(
        self, names: Sequence[str], *, dependents: bool = True, timeout_s: float | None = None
    ) -> list[str]:
        """Stop children and those that require them. Raises ControlError: as `start`."""

    def restart(self, names: Sequence[str], *, dependents: bool = True) -> list[str]:
        """Restart children and those that require them. Raises ControlError: as `start`."""


class ControlServer:
    """Answers clients; a slow one is dropped, and none can hold the supervisor up."""

    def __init__(self, runtime: Path, commands: Commands, journal: Journal) -> None:
        self._path = runtime / messages.SOCKET_NAME
        self._commands = commands
        self._server: asyncio.Server | None = None
        self._followers: dict[asyncio.StreamWriter, object] = {}
        self._waiting: dict[asyncio.StreamWriter, object] = {}
        self._history = journal.history
        self._waits = Waits(commands.members)
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
        self._waits.end()
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
            self._waits.forget(writer)
            writer.close()

    def _handle(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        number: object = None
        try:
            request = parse(line)
            number = request.number
            data = self._do(request, writer)
        except OllamonError as error:
            self._refuse(writer, number, error)
            return
        if data is not None:
            self._answer(writer, number, data)

    def _do(self, request: Request, writer: asyncio.StreamWriter) -> Mapping[str, object] | None:
        """Return the answer, None when it comes later or has been given."""
        args = request.args
        match request.cmd:
            case "status":
                return messages.to_json(self._commands.status())
            case "history":
                return {"events": [messages.to_json(event) for event in self._history]}
            case "events":
                self._follow(request, writer)
            case "wait":
                self._wait(request, writer)
            case "reload":
                self._reload(request, writer)
            case "restart" if switch_of(args, "supervisor", default=False):
                self._waiting[writer] = request.number
                self._commands.request_restart()
            case "stop" if not args.keys() & {"child", "children"}:
                timeout_s = seconds_of(args, "timeout")
                self._waiting[writer] = request.number
                self._commands.request_stop(timeout_s)
            case "start" | "stop" | "restart":
                return {"children": self._command(request)}
            case _:
                raise ControlError(f"cannot do {request.cmd!r}: unknown to this version")
        return None

    def _command(self, request: Request) -> list[str]:
        names, args = names_of(request.args), request.args
        if request.cmd == "start":
            return self._commands.start(names)
        dependents = switch_of(args, "dependents", default=True)
        if request.cmd == "restart":
            return self._commands.restart(names, dependents=dependents)
        timeout_s = seconds_of(args, "timeout")
        return self._commands.stop(names, dependents=dependents, timeout_s=timeout_s)

    def _follow(self, request: Request, writer: asyncio.StreamWriter) -> None:
        has_replay = switch_of(request.args, "replay", default=False)
        self._answer(writer, request.number, {})
        for event in self._history if has_replay else ():
            self._send(writer, request.number, {"event": messages.to_json(event)})
        self._followers[writer] = request.number

    def _wait(self, request: Request, writer: asyncio.StreamWriter) -> None:
        args = request.args
        names, timeout_s = names_of(args), seconds_of(args, "timeout")

        def tell(outcome: OllamonError | None) -> None:
            if outcome is None:
                self._answer(writer, request.number, {"children": names})
            else:
                self._refuse(writer, request.number, outcome)

        self._waits.add(writer, names, Goal.of(args.get("for", Goal.READY)), timeout_s, tell)

    def _reload(self, request: Request, writer: asyncio.StreamWriter) -> None:
        is_dry = switch_of(request.args, "dry_run", default=False)

        def tell(outcome: Sequence[Change] | OllamonError) -> None:
            if isinstance(outcome, OllamonError):
                self._refuse(writer, request.number, outcome)
            else:
                plan = [asdict(change) for change in outcome]
                self._answer(writer, request.number, {"plan": plan})

        self._commands.reload(tell, is_dry=is_dry)

    def _publish(self, event: messages.Event) -> None:
        for writer, number in list(self._followers.items()):
            self._send(writer, number, {"event": messages.to_json(event)})
        self._waits.look()

    def _refuse(self, writer: asyncio.StreamWriter, number: object, error: OllamonError) -> None:
        self._send(writer, number, {"ok": False, "error": errors.to_document(error)})

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
