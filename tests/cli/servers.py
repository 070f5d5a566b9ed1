"""Tiny HTTP servers that answer as they are told."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """Base URL of a server that answers every GET so."""
    with routing({"": (status, body)}, **headers) as url:
        yield url


@contextlib.contextmanager
def routing(routes: Mapping[str, tuple[int, bytes]], **headers: str) -> Iterator[str]:
    """Base URL of a server that answers each GET as the first target that it begins with."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = (answer for start, answer in routes.items() if self.path.startswith(start))
            status, body = next(found, (404, b""))
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def saying(data: bytes) -> Iterator[str]:
    """Base URL of something that says `data` to whoever connects, and then no more."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    held.append(connection)
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in held:
                connection.close()
