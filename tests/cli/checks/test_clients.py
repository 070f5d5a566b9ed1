import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from ollamon.cli.checks import clients
from ollamon.cli.checks.finding import Severity
from ollamon.host import processes
from tests.cli.checks.conftest import one
from tests.cli.servers import routing
from tests.cli.test_table import PROXY, STATUS

RUNS = replace(STATUS, pid=os.getpid(), children=(PROXY,))
CLIENT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("there", flush=True)
sys.stdin.read()
"""
LOADED = json.dumps({"models": [{"name": "tiny:latest"}]}).encode()


def test_clients_of_this_shell(world):
    here = world()
    listen = here.loaded.config.proxy.listen
    assert one(clients.check(here)).fix == f"export OLLAMA_HOST={listen}"
    through = replace(here, environment={"OLLAMA_HOST": str(listen)})
    assert one(clients.check(through)).severity is Severity.OK
    there = world({"proxy": {"listen": "127.0.0.1:11434"}, "ollama": {"url": "http://127.0.0.1:1"}})
    assert "where clients call unasked" in one(clients.check(there)).evidence
    past = replace(here, environment={"OLLAMA_HOST": "127.0.0.1:11434"})
    finding = one(clients.check(past))
    assert (finding.id, finding.fix) == ("clients-past", f"export OLLAMA_HOST={listen}")


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"http_proxy": "http://gate:3128"}, "clients-detour"),
        ({"HTTP_PROXY": "http://gate:3128", "NO_PROXY": "box.lan"}, "clients-detour"),
        ({"ALL_PROXY": "socks5://gate:1"}, "clients-detour"),
        ({"http_proxy": "http://gate:3128", "no_proxy": "box.lan, 127.0.0.1"}, "clients"),
        ({"http_proxy": "http://gate:3128", "no_proxy": "*"}, "clients"),
        ({"http_proxy": ""}, "clients"),
    ],
)
def test_a_proxy_of_the_shell_that_takes_local_calls_too(world, variables, found):
    assert one(clients.check(world(environment=variables))).id == found


def counted(world, metrics: str, ps: bytes = b'{"models":[]}', **rest):
    with routing({"/metrics": (200, metrics.encode()), "/api/ps": (200, ps)}) as url:
        listen = url.removeprefix("http://")
        document = {"proxy": {"metrics_listen": listen}, "ollama": {"url": url}}
        return list(clients.check(world(document, status=RUNS, **rest)))


def test_models_that_were_used_around_the_proxy_are_named(world):
    metrics = (
        "ollama_proxy_requests_accepted_total 9.0\n"
        'ollama_model_unproxied_uses_total{model="tiny:latest"} 4.0\n'
        'ollama_model_unproxied_uses_total{model="other"} 0.0\n'
    )
    finding = one(counted(world, metrics))
    assert finding.id == "clients-around"
    assert finding.evidence == "used past the proxy since it started: tiny:latest (4)"
    assert one(counted(world, metrics, is_offline=True)).severity is Severity.OK


def test_models_in_memory_of_which_the_proxy_knows_nothing_are_named(world):
    finding = one(counted(world, "ollama_proxy_requests_accepted_total 0.0\n", LOADED))
    assert finding.id == "clients-unseen"
    assert finding.evidence == "in memory: tiny:latest; requests that passed: 0"
    passed = counted(world, "ollama_proxy_requests_accepted_total 1.0\n", LOADED)
    assert one(passed).severity is Severity.OK
    assert one(counted(world, "ollama_proxy_requests_accepted_total 0.0\n")).id == "clients"


RUNNER = processes.Role.RUNNER
IDLE = "ollama_proxy_requests_accepted_total 3.0\n"
FLYING = f'{IDLE}ollama_proxy_active_requests{{model="tiny"}} 1.0\n'


@pytest.mark.parametrize(
    ("cores", "metrics", "found"),
    [(2.0, IDLE, "clients-busy"), (0.1, IDLE, "clients"), (2.0, FLYING, "clients"), (2.0, "", "")],
)
def test_an_ollama_that_computes_while_nothing_passes(world, monkeypatch, cores, metrics, found):
    monkeypatch.setattr(clients, "LOOK_S", 0.01)
    monkeypatch.setattr(clients, "QUICK_S", 0.01)
    monkeypatch.setattr(processes, "read", lambda: {RUNNER: ()})
    usage = {RUNNER: processes.Usage(None, cores)}
    monkeypatch.setattr(processes, "usage", lambda before, after, span_s: usage)
    finding = one(counted(world, metrics))
    assert finding.id == (found or "clients")
    if found == "clients-busy":
        assert finding.evidence == "Ollama uses 2.0 cores, requests in flight: 0"


def test_an_ollama_without_runners_is_not_waited_for(world, monkeypatch):
    monkeypatch.setattr(processes, "read", dict)
    monkeypatch.setattr(clients, "QUICK_S", 600.0)
    assert one(counted(world, IDLE)).id == "clients"


def test_a_program_that_is_connected_directly_is_named(world):
    with socket.create_server(("127.0.0.1", 0)) as ollama:
        port = ollama.getsockname()[1]
        document = {"ollama": {"url": f"http://127.0.0.1:{port}"}}
        # Connected by ourselves, as the proxy is.
        with socket.create_connection(("127.0.0.1", port)):
            assert one(clients.check(world(document, status=RUNS, is_offline=True))).id == "clients"
        with subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdout.readline() == "there\n"
            finding = one(clients.check(world(document, status=RUNS, is_offline=True)))
            client.stdin.close()
    assert finding.id == "clients-direct"
    assert finding.evidence.startswith(f"connected to {port} directly: ")
    assert f"pid {client.pid}" in finding.evidence
