import socket

from ollamon.cli.checks import ollama
from ollamon.cli.checks.finding import Severity
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
    assert (finding.severity, finding.fix) == (Severity.WARN, "ollama serve")
    with answering(404, b"") as other:
        finding = one(ollama.check(world({"ollama": {"url": other}})))
    assert finding.severity is Severity.WARN
    assert "is no Ollama" in finding.evidence


def test_an_ollama_that_the_network_reaches_is_a_warning(world):
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        assert ollama.exposed(f"http://127.0.0.1:{port}") == f"0.0.0.0:{port}"
        assert ollama.exposed(f"http://192.0.2.1:{port}") == ""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert ollama.exposed(f"http://localhost:{listening.getsockname()[1]}") == ""


def test_the_demo_needs_no_ollama(world):
    assert one(ollama.check(world({"demo": {"enabled": True}}))).severity is Severity.OK
