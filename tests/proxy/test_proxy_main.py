"""The proxy as a real process: handover, sockets, both ports, drain, exit codes."""

import contextlib
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

import pytest

from ollamon import handover
from ollamon.handover import Handover
from tests.fakes.children import RUN_ID

PATIENCE_S = 60.0
BODY = b'{"model":"tiny","message":{"content":"hi"},"done":true,"eval_count":3}\n'


class SlowUpstream:
    """Answers what the poller asks; a chat begins at once and ends when `go_on` is set."""

    def __init__(self):
        self.go_on = threading.Event()
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._sock.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                taken, _ = self._sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken):
        with taken:
            while head := self._head(taken):
                if head.startswith(b"POST /api/chat"):
                    taken.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n"
                    )
                    self.go_on.wait(PATIENCE_S)
                    taken.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))
                else:
                    taken.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + b'{"models":[]}'
                    )

    def _head(self, taken):
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                part = taken.recv(65536)
            except OSError:
                return b""
            if not part:
                return b""
            data += part
        return data

    def close(self):
        self.go_on.set()
        self._sock.close()


@pytest.fixture
def upstream():
    server = SlowUpstream()
    yield server
    server.close()


@pytest.fixture
def proxy(start_child, upstream):
    section = {"ollama": {"url": upstream.url}, "proxy": {"drain_timeout": "30s"}}
    return start_child("proxy", section, "listen", "metrics_listen")


def get(url: str, path: str):
    with urllib.request.urlopen(url + path, timeout=PATIENCE_S) as answer:
        return answer.status, answer.headers, answer.read().decode()


@pytest.fixture
def begin_chat(proxy):
    """Send a chat and return its answer once the head is there."""
    with contextlib.ExitStack() as open_ones:

        def begin() -> http.client.HTTPResponse:
            connection = http.client.HTTPConnection(proxy.address("listen"), timeout=PATIENCE_S)
            open_ones.callback(connection.close)
            connection.request("POST", "/api/chat", body=b'{"model":"tiny"}')
            answer = connection.getresponse()
            open_ones.callback(answer.close)
            return answer

        yield begin


def readiness(proxy) -> dict[str, object]:
    try:
        return json.loads(get(proxy.urls["metrics_listen"], "/readyz")[2])
    except urllib.error.HTTPError as error:
        with error:
            return json.loads(error.read())


def value_of(text: str, start: str) -> float:
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(start))


def eventually(is_so):
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ends(process: subprocess.Popen) -> int:
    return process.wait(PATIENCE_S)


def test_a_request_passes_and_is_counted(proxy, upstream, begin_chat):
    upstream.go_on.set()
    answer = begin_chat()
    assert (answer.status, answer.read()) == (200, BODY)
    status, headers, text = get(proxy.urls["metrics_listen"], "/metrics")
    assert (status, headers["X-Ollamon-Run"]) == (200, RUN_ID)
    assert value_of(text, "ollama_proxy_generated_tokens_total") == 3
    assert value_of(text, "ollama_proxy_requests_total") == 1
    assert get(proxy.urls["metrics_listen"], "/healthz")[0] == 200
    proxy.wait_for(b"WATCHDOG=1\n")


def test_upstream_is_polled_and_the_readiness_tells(proxy):
    eventually(lambda: readiness(proxy)["upstream"] == "up")


def test_an_upstream_that_is_no_ollama_is_not_polled_when_told_so(start_child, upstream):
    section = {"ollama": {"url": upstream.url, "mode": "off"}}
    quiet = start_child("proxy", section, "listen", "metrics_listen")
    polled = start_child("proxy", {"ollama": {"url": upstream.url}}, "listen", "metrics_listen")
    eventually(lambda: readiness(polled)["upstream"] == "up")
    assert readiness(quiet)["upstream"] == "unknown"
    assert "\nollama_up " not in get(quiet.urls["metrics_listen"], "/metrics")[2]


def test_sigterm_lets_a_stream_finish_and_answers_scrapes_meanwhile(proxy, upstream, begin_chat):
    answer = begin_chat()
    proxy.process.send_signal(signal.SIGTERM)

    eventually(lambda: readiness(proxy)["draining"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(proxy.address("listen").split(":"), timeout=PATIENCE_S)
    assert get(proxy.urls["metrics_listen"], "/metrics")[0] == 200
    upstream.go_on.set()
    assert answer.read() == BODY
    assert ends(proxy.process) == 0


def test_a_second_sigterm_cuts_at_once(proxy, begin_chat):
    answer = begin_chat()
    proxy.process.send_signal(signal.SIGTERM)
    eventually(lambda: readiness(proxy)["draining"])
    proxy.process.send_signal(signal.SIGTERM)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    assert ends(proxy.process) == 0


def test_it_leaves_when_its_parent_is_gone(proxy, begin_chat):
    answer = begin_chat()
    proxy.process.stdin.close()
    assert ends(proxy.process) in (0, 1)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()


def test_ctrl_c_is_the_supervisors_business(proxy, upstream, begin_chat):
    proxy.process.send_signal(signal.SIGINT)
    upstream.go_on.set()
    assert begin_chat().read() == BODY


def run(line: bytes) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-I", "-u", "-m", "ollamon.proxy"],
        input=line,
        capture_output=True,
        timeout=PATIENCE_S,
        env=os.environ,
        check=False,
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}\n",
        handover.encode(Handover({"proxy": {"lisen": "127.0.0.1:1"}})),
        handover.encode(Handover({"proxy": {"listen": "0.0.0.0:1"}})),
    ],
    ids=["nothing", "no handover", "unknown key", "beyond loopback"],
)
def test_a_section_that_cannot_be_used_is_78_and_one_line(line):
    found = run(line)
    assert found.returncode == 78
    assert len(found.stderr.decode().splitlines()) == 1


@pytest.mark.parametrize("key", ["listen", "metrics_listen"])
def test_an_address_in_use_is_98_and_named(key, free_port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        section = {"listen": f"127.0.0.1:{free_port}", "metrics_listen": f"127.0.0.1:{free_port}"}
        found = run(handover.encode(Handover({"proxy": section | {key: address}})))
    assert found.returncode == 98
    assert f"cannot listen on {address}: address already in use" in found.stderr.decode()


def test_without_sockets_it_binds_what_its_section_says(start_child, upstream, free_port):
    with socket.create_server(("127.0.0.1", 0)) as other:
        second = other.getsockname()[1]
    section = {
        "ollama": {"url": upstream.url},
        "proxy": {
            "listen": f"127.0.0.1:{free_port}",
            "metrics_listen": f"127.0.0.1:{second}",
        },
    }
    start_child("proxy", section)
    assert get(f"http://127.0.0.1:{free_port}", "/api/ps")[2] == '{"models":[]}'
    assert get(f"http://127.0.0.1:{second}", "/healthz")[0] == 200


def test_clients_do_not_wait_for_the_web_framework():
    code = "import sys, ollamon.proxy.__main__\nprint('aiohttp' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
