"""From the page's server through the proxy to upstream: what runs is cancelled for real."""

import contextlib
import http.client
import json
import socket
import threading

import pytest

from tests.dashboard.support import WAIT_S, Child, eventually
from tests.fakes.children import TOKEN

LINE = b'{"model":"tiny","message":{"content":"a"},"done":false}\n'
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
BODY = b'{"model":"tiny","messages":[]}'


class Endless:
    """An Ollama whose chats say two words and then nothing for ever.

    Attributes:
        has_seen_close: The connection of a chat was closed by the other side.
    """

    def __init__(self) -> None:
        self.has_seen_close = threading.Event()
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._sock.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        with taken, contextlib.suppress(OSError):
            head = taken.recv(65536)
            if not head.startswith(b"POST /api/chat"):
                body = b'{"models":[{"name":"tiny"}]}'
                taken.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                return
            taken.sendall(HEAD + b"%x\r\n%b\r\n" % (len(LINE), LINE) * 2)
            taken.settimeout(WAIT_S)
            try:
                while taken.recv(4096):
                    pass
            except ConnectionError:
                pass
            self.has_seen_close.set()

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def endless():
    made = Endless()
    yield made
    made.close()


@pytest.fixture
def stack(endless, start_child, tmp_path):
    """A proxy and a dashboard of one run."""
    proxy = start_child("proxy", {"ollama": {"url": endless.url}}, "listen", "metrics_listen")
    dashboard = Child(
        {
            "proxy": {"metrics_listen": proxy.address("metrics_listen")},
            "prometheus": {"mode": "embedded"},
            "paths": {"data": str(tmp_path)},
        }
    )
    yield proxy, dashboard.wait_ready()
    dashboard.close()


def test_a_request_that_runs_is_cancelled_from_the_page_and_upstream_sees_it(stack, endless):
    proxy, dashboard = stack
    client = http.client.HTTPConnection(proxy.address("listen"), timeout=WAIT_S)
    client.request("POST", "/api/chat", BODY, {"Content-Type": "application/json"})
    answer = client.getresponse()
    assert answer.readline() + answer.readline() == LINE * 2

    def running() -> list[dict]:
        return json.loads(dashboard.get("/api/requests")[1])["in_flight"]

    (request,) = eventually(running, "the request on the page")
    assert (request["model"], request["client"]) == ("tiny", "unknown")
    path = f"/api/requests/{request['id']}/cancel"
    assert dashboard.post(path)[0] == 403
    assert dashboard.post(path, X_Ollamon_Token="guess")[0] == 403
    assert not endless.has_seen_close.is_set()
    assert dashboard.post(path, X_Ollamon_Token=TOKEN) == (200, b'{"cancelled": true}')
    assert endless.has_seen_close.wait(5)
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    client.close()
    assert dashboard.post(path, X_Ollamon_Token=TOKEN)[0] == 404

    def ended() -> list[dict]:
        return json.loads(dashboard.get("/api/requests?outcome=cancelled")[1])["requests"]

    (row,) = eventually(ended, "the row of the request")
    assert (row["id"], row["status"], row["model"]) == (request["id"], "200", "tiny")


def test_the_page_holds_the_token_and_no_other_answer_does(stack):
    _, dashboard = stack
    assert f'content="{TOKEN}"'.encode() in dashboard.get("/")[1]
    for path in ("/api/metrics", "/api/panels", "/api/requests", "/healthz", "/static/main.js"):
        status, body, headers = dashboard.get(path)
        assert status == 200
        assert TOKEN not in str(headers)
        assert TOKEN.encode() not in body
