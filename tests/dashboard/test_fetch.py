import socket
import threading

import pytest
import requests

from ollamon.dashboard.sources import fetch
from ollamon.errors import SourceError
from tests.dashboard.support import TextServer, free_port


@pytest.fixture
def server():
    made = TextServer()
    yield made
    made.close()


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with fetch.new_session() as made:
        yield made


def test_a_body_is_read_past_the_proxy_of_the_environment(server, session):
    server.paths["/x"] = (200, "hello")
    assert fetch.get(session, f"{server.url}/x") == (200, b"hello")


def test_a_body_that_is_too_long_is_refused(server, session):
    server.paths["/x"] = (200, "h" * 101)
    with pytest.raises(SourceError, match="more than 100 bytes"):
        fetch.get(session, f"{server.url}/x", limit=100)


def test_nobody_there_is_said_in_plain_words(session):
    url = f"http://127.0.0.1:{free_port()}/metrics"
    with pytest.raises(SourceError) as caught:
        fetch.get(session, url)
    assert str(caught.value) == f"cannot reach {url}: connection refused"


def test_a_server_that_says_nothing_is_given_up(session, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(SourceError, match=r"no answer within 0\.2 s"),
    ):
        fetch.get(session, f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_a_server_that_drips_is_given_up(session, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.3)
    ended = threading.Event()

    def drip(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                while not ended.wait(0.05):
                    peer.sendall(b"1\r\nx\r\n")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        try:
            with pytest.raises(SourceError, match="not complete within"):
                fetch.get(session, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        finally:
            ended.set()


def test_a_reason_is_found_beneath_the_libraries():
    assert fetch.reason_of(requests.ReadTimeout()) == "no answer within 3 s"
    assert fetch.reason_of(requests.exceptions.InvalidURL("x")) == "InvalidURL"
    outer = requests.ConnectionError("aborted")
    outer.__cause__ = OSError(104, "Connection reset by peer")
    assert fetch.reason_of(outer) == "connection reset by peer"
