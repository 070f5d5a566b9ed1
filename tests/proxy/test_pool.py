import socket
import ssl
from dataclasses import dataclass

import pytest

from ollamon.proxy.pool import MAX_IDLE, Pool, UpstreamAddress, why


@dataclass(eq=False)
class Line:
    is_usable: bool = True
    closed: int = 0

    def close(self):
        self.closed += 1


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def make():
    clock = Clock()
    return Pool(30.0, clock), clock


def test_the_connection_used_last_is_used_next():
    pool, _ = make()
    first, second = Line(), Line()
    pool.put(first)
    pool.put(second)
    assert [pool.take(), pool.take(), pool.take()] == [second, first, None]
    assert (first.closed, second.closed) == (0, 0)


def test_an_old_connection_is_closed_when_it_would_be_taken():
    pool, clock = make()
    line = Line()
    pool.put(line)
    clock.now += 30.1
    assert pool.take() is None
    assert line.closed == 1


def test_an_old_connection_is_closed_by_the_clock():
    pool, clock = make()
    old, young = Line(), Line()
    pool.put(old)
    clock.now += 20
    pool.put(young)
    pool.tick(clock.now + 15)
    assert (old.closed, young.closed, len(pool)) == (1, 0, 1)


def test_a_closed_connection_is_not_taken():
    pool, _ = make()
    good, bad = Line(), Line(is_usable=False)
    pool.put(good)
    pool.put(bad)
    assert pool.take() is good


def test_the_oldest_leaves_when_there_are_too_many():
    pool, _ = make()
    lines = [Line() for _ in range(MAX_IDLE + 1)]
    for line in lines:
        pool.put(line)
    assert len(pool) == MAX_IDLE
    assert [line.closed for line in lines] == [1] + [0] * MAX_IDLE


def test_a_connection_that_ended_is_forgotten():
    pool, _ = make()
    line = Line()
    pool.put(line)
    pool.discard(line)
    pool.discard(line)
    assert pool.take() is None


def test_closing_closes_all():
    pool, _ = make()
    lines = [Line(), Line()]
    for line in lines:
        pool.put(line)
    pool.close()
    assert [line.closed for line in lines] == [1, 1]


@pytest.mark.parametrize(
    ("url", "host", "expected"),
    [
        ("http://127.0.0.1:11434", "", ("127.0.0.1", 11434, b"127.0.0.1:11434")),
        ("http://[::1]:11434", "", ("::1", 11434, b"[::1]:11434")),
        ("http://gpu.local:80", "", ("gpu.local", 80, b"gpu.local")),
        ("https://gpu.local:443", "", ("gpu.local", 443, b"gpu.local")),
        ("https://gpu.local:80", "", ("gpu.local", 80, b"gpu.local:80")),
        ("http://10.0.0.7:11434", "localhost", ("10.0.0.7", 11434, b"localhost")),
    ],
)
def test_an_address_is_read_from_its_url(url, host, expected):
    address = UpstreamAddress.of(url, host)
    assert (address.host, address.port, address.authority) == expected
    assert (address.tls is not None) is url.startswith("https")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "x"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "no such host"),
        (OSError(113, "No route to host"), "no route to host"),
        (OSError("Multiple exceptions: [Errno 111] Connect call refused"), "connection refused"),
        (OSError("Strange"), "strange"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "TLS failed; does it speak https?"),
    ],
)
def test_why_no_connection_came_about_is_said_in_words(error, text):
    assert why(error) == text
