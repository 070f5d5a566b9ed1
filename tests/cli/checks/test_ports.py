import os
import socket
from dataclasses import replace

from ollamon import services
from ollamon.cli.checks import ports
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.cli.test_table import STATUS


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
        assert finding.severity is Severity.PROBLEM
        assert f"127.0.0.1:{port} is in use by pid {os.getpid()}" in finding.evidence
        assert finding.evidence.endswith("wanted by dashboard")
        assert finding.fix == f"kill {os.getpid()}"
        ours = replace(STATUS, children=(replace(STATUS.children[0], ports=(port,)),))
        finding = one(ports.check(replace(here, status=ours)))
        assert finding.severity is Severity.OK
        assert f"{port} held by this stack" in finding.evidence


def test_a_prometheus_that_has_the_port_can_be_used_instead():
    listen = next(
        each.listens[0] for each in plan_of_prometheus().services if each.name == "prometheus"
    )
    owner = ports.Owner(7, "prometheus", "prometheus", "prometheus.service", 1.0)
    fix = ports._fix(listen, owner)
    assert fix == (
        "OLLAMON_PROMETHEUS__MODE=external OLLAMON_PROMETHEUS__URL=http://127.0.0.1:9090 ollamon up"
    )
    other = replace(owner, name="caddy", unit="caddy.service")
    assert ports._fix(listen, other) == "sudo systemctl stop caddy.service"
    assert ports._fix(listen, None) == "sudo lsof -nP -iTCP:9090 -sTCP:LISTEN"


def plan_of_prometheus():
    found = services.Config()
    return services.stack(found, file="", digest="", find=lambda name: "/bin/x").stack
