"""A section to its child: one JSON line on stdin, then the lifeline. Standard library only.

The supervisor writes one line and keeps the pipe open. The child reads the line, and from then on
stdin says one thing only: end of file means that the parent is gone, even by SIGKILL, through sudo
too. So secrets stay out of `ps`, a child opens no file of the user, and none outlives its parent.

Readiness goes the other way: `OLLAMON_NOTIFY_FD` names the write end of a pipe that takes the words
of sd_notify(3), `READY=1`, `STATUS=...` and `WATCHDOG=1`, one per line. Below sudo it is stdout.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ollamon.errors import HandoverError, ListenError

VERSION = 1
MAX_BYTES = 64 * 1024
NOTIFY_VARIABLE = "OLLAMON_NOTIFY_FD"
RUN_ID_VARIABLE = "OLLAMON_RUN_ID"


@dataclass(frozen=True, slots=True)
class Handover:
    """What a child is told at birth.

    Attributes:
        section: Its part of the configuration, resolved; JSON types only.
        run_id: Eight hex digits that all processes of one `up` share.
        sockets: Name of a listening socket -> descriptor inherited by the child.
        run_file: Path of the file in which the supervisor says how its children fare; "" is none.
        token: Known to this run's proxy and dashboard alone: who says it may command. "" is none.
    """

    section: Mapping[str, object]
    run_id: str = ""
    sockets: Mapping[str, int] = field(default_factory=dict)
    run_file: str = ""
    token: str = ""

    def listening(self, name: str, host: str, port: int) -> socket.socket:
        """Return the socket of that name, bound by the supervisor, or bind one.

        Raises:
            ListenError: The address cannot be had.
        """
        if name in self.sockets:
            return socket.socket(fileno=self.sockets[name])
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, port), family=family)
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise ListenError(f"cannot listen on {host}:{port}: {reason}") from None


def encode(handover: Handover) -> bytes:
    """Return the line that `decode` reads.

    Raises:
        HandoverError: The line is longer than 64 KiB.
    """
    document = {
        "v": VERSION,
        "section": dict(handover.section),
        "run_id": handover.run_id,
        "sockets": dict(handover.sockets),
        "run_file": handover.run_file,
        "token": handover.token,
    }
    line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_BYTES:
        raise HandoverError(f"cannot hand over {len(line)} bytes: the limit is {MAX_BYTES}")
    return line


def decode(line: bytes) -> Handover:
    """Read the line that `encode` wrote.

    Raises:
        HandoverError: It is cut, too long, no JSON, of another version or of another shape.
    """
    if not line.endswith(b"\n"):
        raise HandoverError("cannot read the handover: stdin ended, or the line passes 64 KiB")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise HandoverError(f"cannot read the handover: {error}") from None
    match document:
        case {
            "v": 1,
            "section": dict(section),
            "run_id": str(run_id),
            "sockets": dict(sockets),
            "run_file": str(run_file),
            "token": str(token),
        } if all(type(number) is int for number in sockets.values()):
            return Handover(section, run_id, sockets, run_file, token)
        case _:
            raise HandoverError("cannot read the handover: not a line of version 1")


def receive(fd: int = 0) -> Handover:
    """Read the first line of `fd`, byte by byte past no newline, so that the lifeline stays whole.

    Raises:
        HandoverError: As `decode`.
    """
    line = bytearray()
    while len(line) < MAX_BYTES and not line.endswith(b"\n"):
        # One byte a read: what follows the line must not be swallowed.
        byte = os.read(fd, 1)
        if not byte:
            break
        line += byte
    return decode(bytes(line))


def wait_for_end(fd: int = 0) -> None:
    """Block until the lifeline ends. What else arrives on it is dropped."""
    while True:
        try:
            if not os.read(fd, 4096):
                return
        except OSError:
            return


def watch_lifeline(on_end: Callable[[], None], *, grace_s: float = 3.0, fd: int = 0) -> None:
    """Call `on_end` in a thread of its own when the parent is gone; leave hard after `grace_s`.

    The hard exit is for a main loop that is stuck: nothing of a run may outlive its supervisor.
    """

    def watch() -> None:
        wait_for_end(fd)
        # Before the call, which may hang as well as fail.
        timer = threading.Timer(grace_s, os._exit, (1,))
        timer.daemon = True
        timer.start()
        on_end()

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


class Notifier:
    """Tells the supervisor how this child fares; silent when nobody listens."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    @classmethod
    def from_environment(cls) -> "Notifier":
        """Take the descriptor that the supervisor named, and hide it from our own children."""
        text = os.environ.pop(NOTIFY_VARIABLE, "")
        if not text.isdecimal():
            return cls(None)
        os.set_inheritable(int(text), False)
        return cls(int(text))

    @classmethod
    def on_stdout(cls) -> "Notifier":
        """Take stdout, which passes sudo as no other descriptor does; prints go to stderr."""
        descriptor = os.dup(1)
        os.dup2(2, 1)
        return cls(descriptor)

    def ready(self) -> None:
        """All sockets listen."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `ollamon status`."""
        self._send("STATUS=" + " ".join(text.split()))

    def external(self, name: str, is_ok: bool, address: str, detail: str) -> None:
        """How something fares that this child watches and that is not ours; after each look."""
        words = ("ok" if is_ok else "bad", address, *detail.split())
        self._send(f"EXTERNAL={name} {' '.join(words)}")

    def alive(self) -> None:
        """The event loop turns; sent at the rhythm of the liveness probe."""
        self._send("WATCHDOG=1")

    def _send(self, line: str) -> None:
        if self._fd is None:
            return
        try:
            os.write(self._fd, line.encode(errors="replace") + b"\n")
        except OSError:
            # The supervisor is gone; the lifeline says so too, and decides.
            self._fd = None
