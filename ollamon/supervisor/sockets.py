"""Listening sockets that the supervisor binds and passes down, so that a restart refuses nobody."""

import errno
import socket
from collections.abc import Iterable

from ollamon.errors import PortInUseError
from ollamon.supervisor.spec import Listen

BACKLOG = 512


def bind(listen: Listen) -> socket.socket:
    """Return a bound socket; SO_REUSEADDR, as a restarted server needs it.

    Raises:
        OSError: The address is in use, not ours, or not permitted.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((listen.host, listen.port))
    except OSError:
        bound.close()
        raise
    return bound


class HeldSockets:
    """The held addresses of one service: open while it may still come back.

    Attributes:
        unheld: Those that the child binds itself.
    """

    def __init__(self, listens: Iterable[Listen]) -> None:
        wanted = list(listens)
        self._listens = [listen for listen in wanted if listen.held]
        self.unheld = [listen for listen in wanted if not listen.held]
        self._sockets: dict[str, socket.socket] = {}

    def open(self) -> dict[str, int]:
        """Bind and listen where that is not done yet; return name -> descriptor.

        Raises:
            PortInUseError: Somebody took an address in the meantime.
            OSError: An address cannot be bound for another reason.
        """
        try:
            for listen in self._listens:
                if listen.name not in self._sockets:
                    self._sockets[listen.name] = _listening(listen)
        except (OSError, PortInUseError):
            self.close()
            raise
        return {name: held.fileno() for name, held in self._sockets.items()}

    def successor(self, listens: Iterable[Listen]) -> "HeldSockets":
        """Return what holds these instead: bound already, except for what is held here.

        Raises:
            PortInUseError, OSError: As `open`.
        """
        here = {_place(listen) for listen in self._listens}
        made = HeldSockets(listens)
        try:
            for listen in made._listens:
                if _place(listen) not in here:
                    made._sockets[listen.name] = _listening(listen)
        except (OSError, PortInUseError):
            made.close()
            raise
        return made

    def inherit(self, other: "HeldSockets") -> None:
        """Take what `other` holds of ours, with the clients that wait there, and close the rest."""
        left = {_place(each): other._sockets.pop(each.name, None) for each in other._listens}
        for listen in self._listens:
            held = left.pop(_place(listen), None)
            if held is not None and listen.name not in self._sockets:
                self._sockets[listen.name] = held
        for rest in filter(None, left.values()):
            rest.close()

    def close(self) -> None:
        """Refuse clients from now on, instead of letting them wait for nobody."""
        for held in self._sockets.values():
            held.close()
        self._sockets.clear()


def _place(listen: Listen) -> tuple[str, int]:
    return listen.host, listen.port


def _listening(listen: Listen) -> socket.socket:
    try:
        held = bind(listen)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"{listen.host}:{listen.port} is in use") from None
        raise
    try:
        held.listen(BACKLOG)
    except OSError as error:
        held.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"{listen.host}:{listen.port} is in use") from None
        raise
    return held
