import os
import socket
from dataclasses import replace

import pytest

from ollamon import services
from ollamon.cli.checks import ports
from ollamon.cli.checks.finding import Severity
from ollamon.supervisor.owners import Owner
from ollamon.supervisor.spec import Listen
from tests.cli.checks.conftest import one
from tests.cli.test_table import STATUS

ENGINE = Listen("listen", "127.0.0.1", 9090, "prometheus.listen")
PROXY = Listen("listen", "127.0.0.1", 11435, "proxy.listen")
SERVER = Listen("url", "127.0.0.1", 11434, "ollama.url")


def test_free_ports_are_named(world):
    here = world()
    finding = one(ports.check(here))
    assert finding.severity is Severity.OK
    assert str(here.loaded.config.proxy.listen.port) in finding.evidence
    assert finding.evidence.endswith("free")


def test_a_taken_port_names_its_owner_and_how_to_get_it(world):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        here = world({"dashboard": {"listen": f"127.0.0.1:{port}"}})
        finding = one(ports.check(here))
        assert finding.id == "ports-taken"
        assert f"127.0.0.1:{port} is in use by pid {os.getpid()}" in finding.evidence
        assert finding.evidence.endswith("wanted by dashboard")
        assert finding.fix == f"kill {os.getpid()}"
        ours = replace(STATUS, children=(replace(STATUS.children[0], ports=(port,)),))
        finding = one(ports.check(replace(here, status=ours)))
        assert finding.severity is Severity.OK
        assert f"{port} held by this stack" in finding.evidence


@pytest.mark.parametrize(
    ("listen", "name", "unit", "kind", "fix"),
    [
        (ENGINE, "macmon", "", "ports-macmon", "kill 7 && macmon serve --port 9095"),
        (
            ENGINE,
            "prometheus",
            "prometheus.service",
            "ports-prometheus",
            "OLLAMON_PROMETHEUS__MODE=external OLLAMON_PROMETHEUS__URL=http://127.0.0.1:9090 "
            "ollamon up",
        ),
        (ENGINE, "caddy", "caddy.service", "ports-taken", "sudo systemctl stop caddy.service"),
        (PROXY, "prometheus", "", "ports-taken", "kill 7"),
        (PROXY, "ollama", "", "ports-ollama", "kill 7"),
        (SERVER, "ollama", "ollama.service", "ports-ollama", "ollamon up --ollama external"),
        (PROXY, "docker-proxy", "", "ports-container", "docker ps --filter publish=11435"),
    ],
)
def test_who_is_known_by_name_has_a_command_of_its_own(listen, name, unit, kind, fix):
    found, said = ports.judge(listen, Owner(7, name, "me", unit, 1.0))
    assert (found.id, said) == (kind, fix)


def test_an_owner_that_may_not_be_seen_and_one_of_another_stack():
    kind, fix = ports.judge(ENGINE, None)
    assert (kind.id, fix) == ("ports-taken", "sudo lsof -nP -iTCP:9090 -sTCP:LISTEN")
    kind, fix = ports.judge(ENGINE, Owner(7, "prometheus", "me", "", 1.0), "run")
    assert (kind.id, fix) == ("ports-stack", "ollamon down")


def test_the_listening_address_of_prometheus_has_the_key_that_is_judged():
    made = services.stack(services.Config(), file="", digest="", find=lambda name: "/bin/x")
    keys = [listen.key for each in made.stack.services for listen in each.listens]
    assert ENGINE.key in keys
    assert PROXY.key in keys
