from dataclasses import replace

import pytest

from ollamon import services
from ollamon.cli.checks import prometheus
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.cli.servers import answering, saying
from tests.system.stack import free_ports


def script(tmp_path, text: str) -> str:
    path = tmp_path / "prom"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_prometheus_is_named_with_its_version(world, tmp_path):
    binary = script(tmp_path, "echo 'prometheus, version 3.5.0 (branch: x)'")
    finding = one(prometheus.check(world(find=lambda _: binary)))
    assert (finding.severity, finding.evidence) == (Severity.OK, f"{binary} 3.5.0")


@pytest.mark.parametrize("text", ["echo hello", "exit 3", "printf '\\377'"])
def test_what_says_no_version_is_a_problem(world, tmp_path, text):
    binary = script(tmp_path, text)
    finding = one(prometheus.check(world(find=lambda _: binary)))
    assert finding.severity is Severity.PROBLEM
    assert finding.fix == f"{binary} --version"


def test_a_missing_prometheus_is_a_warning_unless_it_is_required(world):
    find = {"apt-get": "/usr/bin/apt-get"}.get
    finding = one(prometheus.check(world(find=find)))
    assert finding.severity is Severity.WARN
    assert finding.fix.startswith("sudo apt install prometheus")
    here = world(find=find)
    required = here.loaded.config.prometheus.model_copy(
        update={"mode": services.PrometheusMode.MANAGED}
    )
    changed = here.loaded.config.model_copy(update={"prometheus": required})
    loaded = replace(here.loaded, config=changed)
    assert one(prometheus.check(replace(here, loaded=loaded))).severity is Severity.PROBLEM


def test_embedded_history_is_fine(world):
    finding = one(prometheus.check(world({"prometheus": {"mode": "embedded"}})))
    assert finding.severity is Severity.OK


def test_an_external_engine_is_asked(world):
    def check(url: str):
        return one(prometheus.check(world({"prometheus": {"mode": "external", "url": url}})))

    with answering(200, b'{"status":"success"}') as url:
        assert check(url).severity is Severity.OK
    with answering(404, b"") as url:
        assert check(url).evidence == f"external: {url} answers a query with status 404"
    with saying(b"SSH-2.0\r\n") as url:
        assert check(url).severity is Severity.PROBLEM
    finding = check(f"http://127.0.0.1:{free_ports(1)[0]}")
    assert finding.severity is Severity.PROBLEM
    assert finding.fix.startswith("curl ")
