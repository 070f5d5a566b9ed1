"""What the dashboard's tests share: a small proxy, the real child, a WebSocket by hand."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from wsproto import ConnectionType, WSConnection
from wsproto.events import CloseConnection, Event, RejectConnection, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from ollamon.handover import Handover, encode
from tests.fakes.children import TOKEN

WAIT_S = 30.0
Found = TypeVar("Found")


def eventually(look: Callable[[], Found], what: str) -> Found:
    """Return the first true answer."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {WAIT_S:g} s: {what}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class TextServer:
    """Serves texts that a test may change; `paths` maps a path to status and body."""

    def __init__(self, port: int = 0) -> None:
        self.paths: dict[str, tuple[int, str]] = {}
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.headers.append(dict(self.headers))
                status, text = outer.paths.get(self.path.partition("?")[0], (404, ""))
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def exposition(requests: int = 1, tokens: int = 10, up: int | None = 1, loaded: int = 1) -> str:
    """What a proxy says after some requests for one model."""
    model = 'model="qwen3:8b"'
    request = f'endpoint="/api/chat",method="POST",{model}'
    lines = [
        "# TYPE ollama_proxy_requests_accepted_total counter",
        f"ollama_proxy_requests_accepted_total {requests}",
        f"ollama_proxy_active_requests{{{model}}} 0",
        f"ollama_proxy_generated_tokens_total{{{model}}} {tokens}",
        f'ollama_proxy_requests_total{{{request},status="200"}} {requests}',
        f"ollama_proxy_request_duration_seconds_sum{{{request}}} {requests * 0.5}",
        f"ollama_proxy_request_duration_seconds_count{{{request}}} {requests}",
        f'ollama_proxy_time_to_first_token_seconds_bucket{{{model},le="0.5"}} {requests}',
        f'ollama_proxy_time_to_first_token_seconds_bucket{{{model},le="+Inf"}} {requests}',
        "ollama_proxy_memory_usage_bytes 1.048576e+07",
        "unheard_of_total 1",
    ]
    if up is not None:
        lines.append(f"ollama_up {up}")
    if loaded:
        lines += [
            f"ollama_model_loaded{{{model}}} 1",
            f"ollama_model_size_bytes{{{model}}} 6000000001",
            f"ollama_model_vram_bytes{{{model}}} 3000000000",
        ]
    return "\n".join(lines) + "\n"


class CountingProxy(TextServer):
    """A proxy that answers requests all the time: counters go up with each scrape."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.count = 0
        self.paths = self  # type: ignore[assignment]
        self.ready = {"upstream": "up", "reason": ""}
        self.up = 1

    def get(self, path: str, default: tuple[int, str]) -> tuple[int, str]:
        match path:
            case "/metrics":
                self.count += 1
                return 200, exposition(self.count, self.count * 10, self.up)
            case "/readyz":
                return 200, json.dumps(self.ready)
            case _:
                return default


class Child:
    """`python -m ollamon.dashboard` as the supervisor starts it."""

    def __init__(self, section: dict[str, Any], *, is_bound: bool = True) -> None:
        self.port = free_port()
        section = {"dashboard": {"listen": f"127.0.0.1:{self.port}", "interval": "200ms"}} | section
        sockets, kept = {}, None
        if is_bound:
            kept = socket.create_server(("127.0.0.1", self.port))
            sockets["listen"] = kept.fileno()
        reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-u", "-m", "ollamon.dashboard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(*sockets.values(), writing),
            env=os.environ
            | {"OLLAMON_NOTIFY_FD": str(writing), "HTTP_PROXY": "http://127.0.0.1:9"},
        )
        os.close(writing)
        if kept:
            kept.close()
        self.notices = os.fdopen(reading)
        assert self.process.stdin
        self.process.stdin.write(encode(Handover(section, "0badcafe", sockets, token=TOKEN)))
        self.process.stdin.flush()
        self.told: list[str] = []
        self.sockets: list[Socket] = []

    def wait_ready(self) -> "Child":
        for line in self.notices:
            self.told.append(line.strip())
            if line == "READY=1\n":
                return self
        raise AssertionError(f"never ready: {self.output()}")

    def get(self, path: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request("GET", path, headers=names)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def post(self, path: str, **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method="POST",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def tick(self) -> dict[str, Any]:
        return json.loads(self.get("/api/metrics")[1])

    def open_socket(self, **headers: str) -> "Socket":
        self.sockets.append(Socket(self.port, headers))
        return self.sockets[-1]

    def end_input(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)

    def output(self) -> str:
        assert self.process.stdout
        return self.process.stdout.read().decode()

    def close(self) -> None:
        for page in self.sockets:
            page.close()
        self.process.kill()
        self.process.wait()
        self.notices.close()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


class RefusedError(Exception):
    """The handshake was answered with another status."""


class EndedError(Exception):
    """Something else than a message arrived: the end."""


class Socket:
    """Engine.IO 4 and Socket.IO 5 over a WebSocket, as far as the page needs them."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        headers = {"Host": f"127.0.0.1:{port}"} | headers
        self._sock = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self._wire = WSConnection(ConnectionType.CLIENT)
        self._send(
            Request(
                host=headers.pop("Host"),
                target="/socket.io/?EIO=4&transport=websocket",
                extra_headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                extensions=[PerMessageDeflate()],
            )
        )
        try:
            self.accepted = self._next()
            self.hello = json.loads(self._text()[1:])
            self._send(TextMessage("40"))
            assert self._text().startswith("40")
        except BaseException:
            self.close()
            raise

    def _send(self, event: Event) -> None:
        self._sock.sendall(self._wire.send(event))

    def _next(self) -> Event:
        while True:
            for event in self._wire.events():
                if isinstance(event, RejectConnection):
                    raise RefusedError(event.status_code)
                return event
            self._wire.receive_data(self._sock.recv(65536) or None)

    def _text(self) -> str:
        parts = []
        while True:
            event = self._next()
            if not isinstance(event, TextMessage):
                raise EndedError(event)
            parts.append(event.data)
            if event.message_finished:
                return "".join(parts)

    def event(self) -> tuple[str, Any]:
        """The next event; pings on the way are answered."""
        while True:
            text = self._text()
            if text == "2":
                self._send(TextMessage("3"))
            elif text.startswith("42"):
                name, *values = json.loads(text[2:])
                return name, values[0]

    def emit(self, name: str, value: object) -> None:
        self._send(TextMessage("42" + json.dumps([name, value])))

    def goodbye(self) -> tuple[list[str], int]:
        """Read to the end: the names of the events, and the close code."""
        names = []
        try:
            while True:
                names.append(self.event()[0])
        except EndedError as error:
            (closing,) = error.args
        assert isinstance(closing, CloseConnection), closing
        return names, closing.code

    def close(self) -> None:
        self._sock.close()
