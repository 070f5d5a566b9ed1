"""What several checks look at is looked at once: servers, sockets, processes."""

import http.client
import json
import socket
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psutil

from ollamon.cli.fetch import Answer, get
from ollamon.config.values import is_loopback

TIMEOUT_S = 1.0
# Of an address that this machine itself has.
OWN_TIMEOUT_S = 0.2
MAX_ANSWER = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP socket of this machine.

    Attributes:
        host: Its own address; `::ffff:` is taken off.
        pid: Whose it is; None when that may not be seen.
        peer_port: None while it listens.
    """

    host: str
    port: int
    pid: int | None
    peer_port: int | None


@dataclass
class Sight:
    """Looks, and remembers for the rest of this run.

    Attributes:
        is_offline: No server is asked; `ask` then raises ConnectionError.
    """

    is_offline: bool = False
    _answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    # A server that does not answer costs its timeout once.
    _dead: dict[str, Exception] = field(default_factory=dict)

    def ask(self, base: str, target: str) -> Answer:
        """Return the answer to a GET.

        Raises:
            OSError: The server cannot be reached, is late, or nobody is asked.
            http.client.HTTPException: It does not speak HTTP.
        """
        key = (base, target)
        if key not in self._answers:
            self._answers[key] = self.ask_anew(base, target)
        return self._answers[key]

    def ask_anew(self, base: str, target: str) -> Answer:
        """As `ask`, without remembering."""
        if self.is_offline:
            raise ConnectionError("not asked")
        if base in self._dead:
            raise self._dead[base]
        try:
            return get(base, target, timeout_s=TIMEOUT_S, most=MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            self._dead[base] = error
            raise

    def document(self, base: str, target: str) -> dict[str, Any] | None:
        """Return the JSON object that a GET is answered with; None when there is none."""
        try:
            answer = self.ask(base, target)
            found = json.loads(answer.body) if answer.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def text(self, base: str, target: str) -> str:
        """Return the text that a GET is answered with, "" when there is none."""
        try:
            answer = self.ask(base, target)
        except (OSError, http.client.HTTPException):
            return ""
        return answer.body.decode(errors="replace") if answer.status == 200 else ""

    @cached_property
    def connections(self) -> tuple[Connection, ...] | None:
        """The TCP sockets of this machine; None on macOS, which tells root only."""
        try:
            found = psutil.net_connections(kind="tcp")
        except (psutil.Error, OSError):
            return None
        return tuple(
            Connection(
                each.laddr.ip.removeprefix("::ffff:"),
                each.laddr.port,
                each.pid,
                each.raddr.port if each.raddr else None,
            )
            for each in found
            if each.laddr and (each.status == psutil.CONN_LISTEN or each.raddr)
        )

    def listening(self, port: int) -> list[Connection]:
        """Return who listens on a port."""
        found = self.connections or ()
        return [each for each in found if each.port == port and each.peer_port is None]

    def reached(self, port: int) -> str:
        """Return an address of this machine beyond loopback on which a port answers, or ""."""
        if self.is_offline:
            return ""
        for addresses in psutil.net_if_addrs().values():
            for each in addresses:
                if each.family is socket.AF_INET and not is_loopback(each.address):
                    try:
                        socket.create_connection((each.address, port), OWN_TIMEOUT_S).close()
                    except OSError:
                        continue
                    return each.address
        return ""
