"""Upstream: its address, and the connections to it that wait for another request.

The one used last is used next, so that those too many grow old and are closed.
"""

import errno
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

MAX_IDLE = 64
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """Where upstream listens.

    Attributes:
        url: As the configuration has it.
        host: Name or address to connect to.
        port: Port to connect to.
        authority: Value of Host that upstream gets.
        tls: How to encrypt the connection; None for plain HTTP.
    """

    url: str
    host: str
    port: int
    authority: bytes
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, host_field: str = "") -> "UpstreamAddress":
        """Read a URL of scheme, host and port; `host_field` replaces the Host that it implies."""
        parts = urlsplit(url)
        port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        authority = parts.netloc.rpartition("@")[2]
        if port == _DEFAULT_PORTS[parts.scheme]:
            authority = authority.removesuffix(f":{port}")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        return cls(url, parts.hostname or "", port, (host_field or authority).encode(), tls)


def why(error: OSError | UnicodeError) -> str:
    """Say in a few words why no connection came about."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "no such host"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "TLS failed; does it speak https?"
    if error.errno is not None and error.errno in errno.errorcode:
        return (error.strerror or errno.errorcode[error.errno]).lower()
    # asyncio joins the errors of several addresses into one text.
    return "connection refused" if "refused" in str(error).lower() else str(error).lower()


class Idle(Protocol):
    """A connection that may wait."""

    @property
    def is_usable(self) -> bool:
        """It was not closed meanwhile."""

    def close(self) -> None:
        """Close it."""


IdleT = TypeVar("IdleT", bound=Idle)


class Pool(Generic[IdleT]):
    """Idle connections, last in, first out.

    Args:
        max_age: Seconds that a connection may wait.
        clock: Monotonic seconds.
    """

    def __init__(self, max_age: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_age = max_age
        self._clock = clock
        # Oldest first; a dict, so that any of them can leave at once.
        self._idle: dict[IdleT, float] = {}

    def __len__(self) -> int:
        return len(self._idle)

    def take(self) -> IdleT | None:
        """Return the connection that waits for the shortest time, or None."""
        while self._idle:
            connection, since = self._idle.popitem()
            if connection.is_usable and self._clock() - since <= self._max_age:
                return connection
            connection.close()
        return None

    def put(self, connection: IdleT) -> None:
        """Let a connection wait; the oldest leaves when there are too many."""
        self._idle[connection] = self._clock()
        if len(self._idle) > MAX_IDLE:
            self._close_oldest()

    def discard(self, connection: IdleT) -> None:
        """Forget a connection that closed."""
        self._idle.pop(connection, None)

    def tick(self, now: float) -> None:
        """Close those that grew too old."""
        while self._idle and now - next(iter(self._idle.values())) > self._max_age:
            self._close_oldest()

    def close(self) -> None:
        """Close all."""
        while self._idle:
            self._close_oldest()

    def _close_oldest(self) -> None:
        connection = next(iter(self._idle))
        del self._idle[connection]
        connection.close()
