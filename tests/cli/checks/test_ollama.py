import socket
import types
from dataclasses import replace

import psutil
import pytest

from ollamon.cli.checks import ollama, sight
from ollamon.cli.checks.finding import Severity
from ollamon.config.model import OllamaMode
from ollamon.supervisor.owners import Owner
from tests.cli.checks.conftest import one
from tests.cli.servers import answering
from tests.system.stack import free_ports


def test_an_ollama_is_fine(world):
    with answering(200, b'{"version":"0.33.0"}') as url:
        finding = one(ollama.check(world({"ollama": {"url": url}})))
    assert (finding.severity, finding.evidence) == (Severity.OK, f"0.33.0 answers at {url}")


def test_no_ollama_and_another_server_are_warnings(world):
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    finding = one(ollama.check(world({"ollama": {"url": url}})))
    assert (finding.id, finding.fix) == ("ollama-down", "ollama serve")
    with answering(404, b"") as other:
        finding = one(ollama.check(world({"ollama": {"url": other}})))
    assert (finding.id, finding.fix) == ("ollama-other", "ollamon up --ollama off")
    assert "is no Ollama" in finding.evidence


def test_one_of_ours_starts_with_the_stack(world):
    document = {"ollama": {"url": f"http://127.0.0.1:{free_ports(1)[0]}"}}
    here = world(document, find=lambda _: "/bin/true", has_ollama=False)
    finding = one(ollama.check(here))
    assert (finding.severity, finding.evidence) == (Severity.OK, "managed: starts with the stack")


def test_one_of_ours_needs_its_program(world):
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    here = world({"ollama": {"url": url, "binary": "llama"}}, find={"llama": "/bin/x"}.get)
    managed = here.loaded.config.ollama.model_copy(update={"mode": OllamaMode.MANAGED})
    config = here.loaded.config.model_copy(update={"ollama": managed})
    here = replace(here, loaded=replace(here.loaded, config=config))
    assert one(ollama.check(here)).id == "ollama-down"
    finding = one(ollama.check(replace(here, find=lambda name: None)))
    assert (finding.id, finding.evidence) == ("ollama-required", "llama not found")


@pytest.mark.parametrize(
    ("unit", "fix"),
    [
        ("", "OLLAMA_HOST=127.0.0.1 ollama serve"),
        ("ollama.service", "sudo systemctl edit ollama.service  # Environment=OLLAMA_HOST="),
    ],
)
def test_an_ollama_that_the_network_reaches_is_a_warning(world, monkeypatch, unit, fix):
    monkeypatch.setattr(ollama, "owner_of", lambda port: Owner(7, "ollama", "me", unit, 1.0))
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        here = world({"ollama": {"url": f"http://127.0.0.1:{port}"}}, is_offline=True)
        unasked, finding = ollama.check(here)
        assert unasked.evidence.endswith("is not asked (--offline)")
        assert (finding.id, finding.evidence) == (
            "ollama-exposed",
            f"it listens on 0.0.0.0:{port}, beyond this machine",
        )
        assert finding.fix.startswith(fix)
        assert ollama.exposed(here, f"http://192.0.2.1:{port}") == ""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert ollama.exposed(world(), f"http://localhost:{listening.getsockname()[1]}") == ""


def test_where_sockets_are_not_shown_its_own_address_tells(world, monkeypatch):
    """macOS shows sockets to root only."""
    monkeypatch.setattr(psutil, "net_connections", raising)
    own = [types.SimpleNamespace(family=socket.AF_INET, address="127.0.0.2")]
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": own})
    monkeypatch.setattr(sight, "is_loopback", lambda host: host == "127.0.0.1")
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        assert ollama.exposed(world(), url) == f"127.0.0.2:{port}"
        assert ollama.exposed(world(is_offline=True), url) == ""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert ollama.exposed(world(), f"http://127.0.0.1:{listening.getsockname()[1]}") == ""


def raising(kind: str) -> None:
    raise psutil.AccessDenied


def test_a_server_that_does_not_answer_costs_its_timeout_once(monkeypatch):
    asked = []

    def get(base: str, target: str, **_: object) -> None:
        asked.append(target)
        raise TimeoutError

    monkeypatch.setattr(sight, "get", get)
    look = sight.Sight()
    assert look.document("http://x", "/a") is None
    assert look.text("http://x", "/b") == ""
    assert asked == ["/a"]


def test_the_demo_and_one_that_is_off_are_not_asked(world):
    assert one(ollama.check(world({"demo": {"enabled": True}}))).severity is Severity.OK
    finding = one(ollama.check(world({"ollama": {"mode": "off"}})))
    assert finding.evidence.startswith("off: ")
