"""The part of the proxy's admin server that tells of requests, over its real ring."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ollamon.proxy.records import RequestKind
from ollamon.proxy.ring import Numbers, Ring

CHAT = RequestKind("POST", "/api/chat", "qwen3:8b", "200", "ok", "stop", "ollama")


class RingServer:
    """A proxy as far as requests go.

    Attributes:
        running: What it says of requests in flight.
        text: Said instead of all else, with `status`.
    """

    def __init__(self, *, size: int = 20_000, start: int = 1_000_000) -> None:
        self.running: list[dict[str, Any]] = []
        self.text: str | None = None
        self.status = 200
        self.asked: list[str] = []
        self._lock = Lock()
        self.begin(size=size, start=start)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if not self.path.startswith("/api/requests"):
                    self.send_error(404)
                    return
                text = outer.text if outer.text is not None else outer.document(self.path)
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def begin(self, *, size: int = 20_000, start: int) -> None:
        """As a proxy that was started anew."""
        self.ring = Ring(size, start)

    def end(self, count: int = 1, kind: RequestKind = CHAT) -> None:
        """Let requests end."""
        with self._lock:
            for _ in range(count):
                seq = self.ring.last + 1
                times = (0.5, 0.1, 20.0, None, 0.1, 0.4, None)
                self.ring.add(kind, Numbers(seq, time.time(), 5, None, 8, *times), True)

    def document(self, path: str) -> str:
        query = {name: int(values[0]) for name, values in parse_qs(urlsplit(path).query).items()}
        with self._lock:
            rows = self.ring.since(query["since"], query["limit"])
            return json.dumps(
                {
                    "v": 1,
                    "start": self.ring.start,
                    "first": self.ring.first,
                    "last": self.ring.last,
                    "in_flight": self.running,
                    "requests": [record._asdict() for record in rows.records()],
                }
            )

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
