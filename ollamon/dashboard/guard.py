"""The outermost WSGI layer: who may come in, how many sockets, what every answer says, without I/O.

It stands outside Socket.IO, whose own check compares Origin with Host: a page that had its name
rebound to loopback passes that, with both fields its own. The page itself may be reached by a link
from anywhere; its API and its socket may not.
"""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from ollamon.access import PageAccess

SOCKET_PATH = "/socket.io"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class Guard:
    """A WSGI application around another.

    Attributes:
        sockets: WebSockets that are open; each holds its call for as long as it lives.
    """

    def __init__(self, app: WsgiApp, access: PageAccess, run_id: str, max_sockets: int) -> None:
        self._app = app
        self._access = access
        self._run_id = run_id
        self._max_sockets = max_sockets
        self.sockets = 0

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let a request in, or answer it."""
        start = self._signed(start_response)
        path = environ.get("PATH_INFO", "")
        if not self._may_enter(environ, path):
            return _refuse(start, HTTPStatus.FORBIDDEN, "this Host or Origin may not come in")
        if path.startswith(SOCKET_PATH):
            return self._socket(environ, start)
        return self._app(environ, start)

    def _may_enter(self, environ: Environ, path: str) -> bool:
        host = environ.get("HTTP_HOST")
        is_page = not path.startswith(("/api", SOCKET_PATH))
        site = None if is_page else environ.get("HTTP_SEC_FETCH_SITE")
        return self._access.allows(host, environ.get("HTTP_ORIGIN"), site)

    def _socket(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        if self.sockets >= self._max_sockets:
            message = f"there are {self.sockets} pages open already"
            return _refuse(start, HTTPStatus.SERVICE_UNAVAILABLE, message)
        # Deflating a tick for each client costs five times the delay of sending it as it is.
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        self.sockets += 1
        try:
            return self._app(environ, start)
        finally:
            self.sockets -= 1

    def _signed(self, start_response: StartResponse) -> StartResponse:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, ("X-Ollamon-Run", self._run_id)], *rest)

        return start


def _refuse(start: StartResponse, status: HTTPStatus, message: str) -> Iterable[bytes]:
    body = json.dumps({"error": message}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start(f"{status.value} {status.phrase}", headers)
    return [body]
