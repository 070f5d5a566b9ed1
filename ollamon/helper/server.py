"""GET and HEAD of /metrics and /health on 127.0.0.1, as JSON. No request reads a source.

A page in a browser may send requests to any address, so Host must be a loopback name with our port,
and whatever comes from a page is refused. One request, one connection; query and body are not read.
"""

import io
import json
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Protocol

from ollamon.access import PageAccess
from ollamon.readings import Reading, to_json

HOST = "127.0.0.1"
HEAD_LIMIT = 8 * 1024
HEAD_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 16
ROUTES = frozenset({"/metrics", "/health"})
METHODS = ("GET", "HEAD")
ALIVE_EVERY_S = 5.0


class Knowledge(Protocol):
    """What is served."""

    def reading(self) -> Reading:
        """All that is known now."""
        ...

    def health(self) -> str:
        """Return ok, degraded or unavailable."""
        ...


class HelperServer(socketserver.ThreadingTCPServer):
    """Listens on 127.0.0.1 from birth on.

    Args:
        port: 0 lets the system choose one.
        knowledge: What is served.
        run_id: Told in every answer.
        alive: Called every 5 s while the loop that accepts connections turns.

    Raises:
        OSError: The address is in use.
    """

    allow_reuse_address = True
    daemon_threads = True
    # Twice the connections that are served at once, so that a burst waits instead of failing.
    request_queue_size = 2 * MAX_CONNECTIONS

    def __init__(
        self,
        port: int,
        knowledge: Knowledge,
        run_id: str = "",
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.knowledge = knowledge
        self.run_id = run_id
        self._alive = alive
        self._alive_at = 0.0
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((HOST, port), _Handler)
        self.access = PageAccess(self.port)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.socket.getsockname()[1])

    def service_actions(self) -> None:
        """Say that the loop turns."""
        now = time.monotonic()
        if now - self._alive_at >= ALIVE_EVERY_S:
            self._alive_at = now
            self._alive()

    def verify_request(self, request: object, client_address: object) -> bool:
        """Close the connections beyond 16 at once."""
        return self._slots.acquire(blocking=False)

    def process_request(self, request: object, client_address: object) -> None:
        """Answer in a thread of its own, if one can be had."""
        try:
            super().process_request(request, client_address)  # type: ignore[arg-type]
        except RuntimeError:
            self._slots.release()
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell a defect of ours in one line; clients that leave are none."""
        error = sys.exception()
        if not isinstance(error, OSError):
            sys.stderr.write(f"cannot answer a request: {error!r}\n")


class _HeadTooLargeError(Exception):
    pass


def _read_head(connection: socket.socket, limit: int, timeout_s: float) -> bytes:
    """Return the bytes up to the empty line; b"" when they do not come in time."""
    deadline = time.monotonic() + timeout_s
    head = bytearray()
    while b"\r\n\r\n" not in head and b"\n\n" not in head:
        if len(head) > limit:
            raise _HeadTooLargeError
        left = deadline - time.monotonic()
        if left <= 0:
            return b""
        connection.settimeout(left)
        try:
            data = connection.recv(limit + 1 - len(head))
        except TimeoutError:
            return b""
        if not data:
            return bytes(head)
        head += data
    connection.settimeout(timeout_s)
    return bytes(head)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: HelperServer
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        self.close_connection = True
        self.requestline = self.command = ""
        try:
            self.rfile = io.BytesIO(_read_head(self.connection, HEAD_LIMIT, HEAD_TIMEOUT_S))
        except _HeadTooLargeError:
            self._refuse(431, "the head of the request is longer than 8 KiB")
            return
        self.raw_requestline = self.rfile.readline(HEAD_LIMIT)
        if self.raw_requestline and self.parse_request():
            self.close_connection = True
            self._answer()

    def _answer(self) -> None:
        if not self._is_welcome():
            self._refuse(403, "Host must be a loopback name with this port, and no page may ask")
            return
        # As it was sent: `self.path` has leading slashes merged.
        route = self.requestline.split()[1].partition("?")[0]
        if route not in ROUTES:
            self._refuse(404, "there are /metrics and /health")
        elif self.command not in METHODS:
            self._refuse(405, "GET and HEAD only", Allow=", ".join(METHODS))
        elif route == "/metrics":
            self._send(200, to_json(self.server.knowledge.reading()))
        else:
            health = self.server.knowledge.health()
            status = 503 if health == "unavailable" else 200
            self._send(status, json.dumps({"status": health}).encode())

    def _is_welcome(self) -> bool:
        hosts = self.headers.get_all("Host", [])
        sites = self.headers.get_all("Sec-Fetch-Site", [])
        return (
            len(hosts) == 1
            and len(sites) <= 1
            and "Origin" not in self.headers
            and self.server.access.allows(hosts[0], None, sites[0] if sites else None)
        )

    def _refuse(self, status: int, reason: str, **fields: str) -> None:
        self._send(status, json.dumps({"error": reason}).encode(), **fields)

    def _send(self, status: int, body: bytes, **fields: str) -> None:
        # What is older than HTTP/1.0, or no HTTP at all, gets an answer with a head too.
        self.request_version = self.protocol_version
        self.send_response(status)
        fields |= {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
        if self.server.run_id:
            fields["X-Ollamon-Run"] = self.server.run_id
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP, as JSON; the standard library's page quotes the request."""
        self._refuse(int(code), "the request cannot be understood")

    def handle_expect_100(self) -> bool:
        """No body is wanted, so nobody is asked to send one."""
        return True

    def version_string(self) -> str:
        """Name ourselves, without versions."""
        return "ollamon"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what a client sends does not belong into a log."""
