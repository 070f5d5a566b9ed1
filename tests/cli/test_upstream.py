"""Is it there, and is it an Ollama? Never a reason to fail."""

import selectors

import pytest

from ollamon.cli.upstream import Background, Kind, look
from ollamon.cli.words import Mark
from tests.cli.servers import answering, saying
from tests.system.stack import free_ports

OLLAMA = b'{"version":"0.33.0"}'


def test_an_ollama_is_known_by_its_version():
    with answering(200, OLLAMA) as url:
        found = look(url)
    assert (found.kind, found.detail, found.mark) == (Kind.OLLAMA, "0.33.0", Mark.EXTERNAL)
    assert found.sentence == f"external, 0.33.0 on {url.removeprefix('http://')}"


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(200, OLLAMA) as url:
        assert look(url).kind is Kind.OLLAMA


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b'{"error":"not found"}'),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"version":3}'),
        (302, b""),
    ],
)
def test_another_server_is_a_warning(status, body):
    with answering(status, body) as url:
        found = look(url)
    assert (found.kind, found.mark) == (Kind.NOT_OLLAMA, Mark.WARN)
    assert f"the server at {url} is no Ollama" in found.sentence


def test_a_version_may_not_paint_the_terminal():
    with answering(200, b'{"version":"\\u001b[31m0.1' + b"x" * 100 + b'"}') as url:
        detail = look(url).detail
    assert "\x1b" not in detail
    assert len(detail) <= 40


def test_nobody_there_is_a_warning_with_what_to_do():
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    found = look(url)
    assert (found.kind, found.remedy, found.mark) == (Kind.DOWN, "ollama serve", Mark.WARN)
    assert f"cannot reach Ollama at {url}: connection refused" in found.sentence


def test_an_ollama_that_refuses_our_host_says_how_to_change_it():
    with answering(403, b"") as url:
        found = look(url)
    assert found.kind is Kind.DOWN
    assert found.remedy == 'set [proxy] upstream_host = "localhost"'


def test_a_failing_server_is_down():
    with answering(502, b"") as url:
        assert "status 502" in look(url).detail


def test_a_silent_server_is_not_waited_for():
    with saying(b"") as url:
        assert "no answer in 0.2 s" in look(url, timeout_s=0.2).detail


def test_what_speaks_no_http_is_no_ollama():
    with saying(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        assert look(url).kind is Kind.NOT_OLLAMA


def test_a_host_that_has_no_address_is_down():
    assert look("http://nowhere.invalid:11434").kind is Kind.DOWN


def test_a_look_in_the_background_brings_the_same():
    with answering(200, OLLAMA) as url:
        background = Background(url)
        with selectors.DefaultSelector() as selector:
            selector.register(background.descriptor, selectors.EVENT_READ)
            assert selector.select(30)
        assert background.result() == look(url)
    background.close()
