"""What several checks look at is looked at once: servers, sockets, processes."""

import http.client
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psutil

from ollamon.cli.fetch import Answer, get

TIMEOUT_S = 2.0
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
    _answers: dict[tuple[str, str], Answer | Exception] = field(default_factory=dict)

    def ask(self, base: str, target: str) -> Answer:
        """Return the answer to a GET.

        Raises:
            OSError: The server cannot be reached, is late, or nobody is asked.
            http.client.HTTPException: It does not speak HTTP.
        """
        key = (base, target)
        if key not in self._answers:
            try:
                self._answers[key] = self.ask_anew(base, target)
            except (OSError, http.client.HTTPException) as error:
                self._answers[key] = error
        found = self._answers[key]
        if isinstance(found, Exception):
            raise found
        return found

    def ask_anew(self, base: str, target: str) -> Answer:
        """As `ask`, without remembering."""
        if self.is_offline:
            raise ConnectionError("not asked")
        return get(base, target, timeout_s=TIMEOUT_S, most=MAX_ANSWER)

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
    def connections(self) -> tuple[Connection, ...]:
        """The TCP sockets that this user may see; none on macOS, which tells root only."""
        try:
            found = psutil.net_connections(kind="tcp")
        except (psutil.Error, OSError):
            return ()
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
        return [each for each in self.connections if each.port == port and each.peer_port is None]
