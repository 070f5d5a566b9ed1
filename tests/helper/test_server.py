import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

from ollamon import readings
from ollamon.helper import server as server_module
from ollamon.helper.found import Found
from ollamon.helper.sampler import Sampler, this_machine
from ollamon.helper.server import HelperServer
from ollamon.readings import Source


class Counting:
    """A collector that counts how often it is read."""

    source = Source.HWMON
    least_interval_s = 3600.0

    def __init__(self):
        self.reads = 0
        self.read = threading.Event()

    def collect(self, now):
        self.reads += 1
        self.read.set()
        return Found(temperature_celsius=50.0)


@pytest.fixture
def serve():
    """Start servers that end with the test."""
    running = []

    def start(*collectors, alive=lambda: None):
        sampler = Sampler(collectors, 5.0, this_machine())
        server = HelperServer(0, sampler, "0a1b2c3d", alive)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        running.append((server, thread))
        server.sampler = sampler
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(serve):
    return serve()


def ask(server, target="/metrics", method="GET", **fields):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, target, headers=fields)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def raw(server, request, *, end=True):
    """Send bytes and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        # A server that refuses may have closed already; what it said can still be read.
        with contextlib.suppress(OSError):
            if end:
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer else None


def test_metrics_are_a_reading_of_version_1(serve):
    collector = Counting()
    server = serve(collector)
    stop = threading.Event()
    server.sampler.start(stop)
    assert collector.read.wait(10)
    stop.set()
    response, body = ask(server)
    assert response.status == 200
    reading = readings.from_json(body)
    assert reading.cpu.temperature_celsius in (50.0, None)
    assert reading.sources.keys() == {Source.HWMON}


def test_every_answer_says_whose_it_is_and_is_never_stored(server):
    for target in ("/metrics", "/health", "/nothing"):
        response, body = ask(server, target)
        assert response.headers["X-Ollamon-Run"] == "0a1b2c3d"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Access-Control-Allow-Origin"] is None
        assert json.loads(body)


def test_head_is_get_without_a_body(server):
    for target in ("/metrics", "/health", "/nothing"):
        response, body = ask(server, target, "HEAD")
        assert body == b""
        assert int(response.headers["Content-Length"]) > 0


def test_health_without_any_source_is_503(server):
    response, body = ask(server, "/health")
    assert (response.status, json.loads(body)) == (503, {"status": "unavailable"})


def test_health_with_a_source_that_works_is_200(serve):
    server = serve(Counting())
    stop = threading.Event()
    stop.set()
    server.sampler.start(stop)
    deadline = time.monotonic() + 10
    while server.sampler.health() != "ok" and time.monotonic() < deadline:
        stop.wait(0.01)
    response, body = ask(server, "/health")
    assert (response.status, json.loads(body)) == (200, {"status": "ok"})


ACCESS = {
    "our address": ({"Host": "127.0.0.1:PORT"}, 200),
    "our name": ({"Host": "localhost:PORT"}, 200),
    "our IPv6 name": ({"Host": "[::1]:PORT"}, 200),
    "a name in capitals": ({"Host": "LOCALHOST:PORT"}, 200),
    "a foreign name": ({"Host": "evil.example:PORT"}, 403),
    "a name that begins like ours": ({"Host": "localhost.evil.example:PORT"}, 403),
    "a foreign name that resolves to us": ({"Host": "127.0.0.1.nip.io:PORT"}, 403),
    "no port": ({"Host": "127.0.0.1"}, 403),
    "another port": ({"Host": "127.0.0.1:1"}, 403),
    "an empty Host": ({"Host": ""}, 403),
    "a user in Host": ({"Host": "a@127.0.0.1:PORT"}, 403),
    "a foreign page": ({"Host": "127.0.0.1:PORT", "Origin": "http://evil.example"}, 403),
    "a page without origin": ({"Host": "127.0.0.1:PORT", "Origin": "null"}, 403),
    "even a page of our own port": (
        {"Host": "127.0.0.1:PORT", "Origin": "http://127.0.0.1:PORT"},
        403,
    ),
    "a fetch across sites": ({"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "cross-site"}, 403),
    "a fetch of the same site": ({"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "same-site"}, 403),
    "a fetch of the same origin": (
        {"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "same-origin"},
        200,
    ),
    "typed into the address bar": ({"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "none"}, 200),
}


@pytest.mark.parametrize(("fields", "status"), ACCESS.values(), ids=ACCESS)
@pytest.mark.parametrize("target", ["/metrics", "/nothing"])
def test_only_local_programs_may_ask(server, fields, status, target):
    named = {name: value.replace("PORT", str(server.port)) for name, value in fields.items()}
    response, _ = ask(server, target, **named)
    assert response.status == (404 if status == 200 and target != "/metrics" else status)


def test_two_hosts_are_refused(server):
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    answer = raw(server, b"GET /metrics HTTP/1.1\r\n" + host + host + b"\r\n")
    assert status_of(answer) == 403


@pytest.mark.parametrize("target", ["/", "/metrics/", "/Metrics", "//metrics", "/metrics%2f", "*"])
def test_there_is_nothing_else(server, target):
    assert ask(server, target)[0].status == 404


def test_a_target_with_a_foreign_authority_is_not_ours(server):
    assert ask(server, f"http://127.0.0.1:{server.port}/metrics")[0].status == 404


def test_a_query_changes_nothing(server):
    assert ask(server, "/metrics?" + "x" * 1000)[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_refused_and_the_right_ones_named(server, method):
    response, body = ask(server, "/metrics", method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert json.loads(body) == {"error": "GET and HEAD only"}


@pytest.mark.parametrize(
    "request_line",
    [
        b"nonsense",
        b"GET",
        b"GET /metrics HTTP/9.9",
        b"GET /metrics HTTP/1.x",
        b"\xff\xfe\x00 / HTTP/1.1",
    ],
)
def test_what_is_no_http_is_refused_as_json_and_not_quoted(server, request_line):
    answer = raw(server, request_line + b"\r\nHost: x\r\n\r\n")
    assert status_of(answer) in (400, 403, 505)
    body = answer.partition(b"\r\n\r\n")[2]
    assert "error" in json.loads(body)
    assert b"nonsense" not in answer


def test_a_head_of_more_than_8_kib_is_refused(server):
    head = f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode()
    room = server_module.HEAD_LIMIT - len(head) - len(b"X: \r\n\r\n")
    assert status_of(raw(server, head + b"X: " + b"x" * room + b"\r\n\r\n")) == 200
    assert status_of(raw(server, head + b"X: " + b"x" * (room + 2) + b"\r\n\r\n")) == 431


def test_a_head_without_end_is_refused(server):
    assert status_of(raw(server, b"x" * (server_module.HEAD_LIMIT + 1), end=False)) == 431


def test_a_client_that_sends_nothing_is_let_go_in_time(server, monkeypatch):
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_S", 0.1)
    assert raw(server, b"GET /metrics HTTP/1.1\r\n", end=False) == b""


def test_a_client_that_drips_gets_no_more_time(server, monkeypatch):
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_S", 0.3)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        gone = threading.Event()

        def drip():
            while not gone.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            assert connection.recv(100) == b""
        except ConnectionResetError:
            pass
        finally:
            gone.set()
            dripper.join()


def test_no_more_than_sixteen_connections_are_served_at_once(server):
    idle = [
        socket.create_connection(("127.0.0.1", server.port), timeout=30)
        for _ in range(server_module.MAX_CONNECTIONS)
    ]
    try:
        assert raw(server, b"", end=False) == b""
    finally:
        for connection in idle:
            connection.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert ask(server)[0].status == 200
            return
        except (http.client.RemoteDisconnected, ConnectionResetError):
            continue
    pytest.fail("the places of clients that left are not free again")


def test_a_thousand_requests_read_no_source(serve):
    collector = Counting()
    server = serve(collector)
    stop = threading.Event()
    stop.set()
    server.sampler.start(stop)
    assert collector.read.wait(10)
    before = collector.reads
    for _ in range(500):
        assert ask(server)[0].status == 200
        assert ask(server, "/health")[0].status in (200, 503)
    assert (before, collector.reads) == (1, 1)


def test_a_body_is_not_waited_for(server):
    host = f"127.0.0.1:{server.port}"
    head = f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n"
    assert status_of(raw(server, f"{head}Expect: 100-continue\r\n\r\n".encode(), end=False)) == 200


def test_it_listens_on_loopback_only(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_it_says_that_it_is_alive(serve):
    told = threading.Event()
    serve(alive=told.set)
    assert told.wait(10)


def test_a_port_that_is_taken_is_an_error(server):
    with pytest.raises(OSError, match="in use"):
        HelperServer(server.port, server.knowledge)
