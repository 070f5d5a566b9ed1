import json
from dataclasses import replace

import pytest

from ollamon import services
from ollamon.artifacts.prometheus import JOB
from ollamon.cli.checks import prometheus
from ollamon.cli.checks.finding import Severity
from ollamon.config.model import Config
from tests.cli.checks.conftest import one
from tests.cli.servers import answering, routing, saying
from tests.cli.test_table import PROXY, STATUS
from tests.system.stack import free_ports

RUNS = replace(STATUS, children=(PROXY,))
METRIC = "ollama_proxy_requests_accepted_total"


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
    assert finding.id == "prometheus-strange"
    assert finding.fix == f"{binary} --version"


def test_a_missing_prometheus_is_a_warning_unless_it_is_required(world):
    find = {"apt-get": "/usr/bin/apt-get"}.get
    finding = one(prometheus.check(world(find=find)))
    assert finding.id == "prometheus-missing"
    assert finding.fix.startswith("sudo apt install prometheus")
    here = world(find=find)
    required = here.loaded.config.prometheus.model_copy(
        update={"mode": services.PrometheusMode.MANAGED}
    )
    changed = here.loaded.config.model_copy(update={"prometheus": required})
    loaded = replace(here.loaded, config=changed)
    assert one(prometheus.check(replace(here, loaded=loaded))).id == "prometheus-required"


def test_embedded_history_is_fine(world):
    finding = one(prometheus.check(world({"prometheus": {"mode": "embedded"}})))
    assert finding.severity is Severity.OK


def test_an_external_engine_is_asked(world):
    def check(url: str, **rest):
        here = world({"prometheus": {"mode": "external", "url": url}}, **rest)
        return one(prometheus.check(here))

    with answering(200, b'{"status":"success"}') as url:
        assert check(url).severity is Severity.OK
    with answering(404, b"") as url:
        assert check(url).evidence == f"external: {url} answers a query with status 404"
    with saying(b"SSH-2.0\r\n") as url:
        assert check(url).id == "prometheus-unreachable"
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    finding = check(nobody)
    assert finding.id == "prometheus-unreachable"
    assert finding.fix.startswith("curl ")
    assert check(nobody, is_offline=True).severity is Severity.OK


def scraped(world, targets: object, *, kept: bool = True, served: bytes = b"", runs: bool = True):
    """What is found where an engine has such targets; the proxy's metrics are on the same port."""
    result = [{"metric": {}, "value": [0, "1"]}] if kept else []
    routes = {
        "/api/v1/targets": (200, json.dumps({"data": {"activeTargets": targets}}).encode()),
        "/api/v1/query?query=count": (200, json.dumps({"data": {"result": result}}).encode()),
        "/api/v1/query": (200, b"{}"),
        "/metrics": (200, served or f"{METRIC} 1.0\n".encode()),
    }
    with routing(routes) as url:
        listen = url.removeprefix("http://")
        document = {
            "prometheus": {"mode": "external", "url": url},
            "proxy": {"metrics_listen": listen},
        }
        here = world(document, status=RUNS if runs else None)
        first, *rest = prometheus.check(here)
        assert first.severity is Severity.OK
        return rest, listen.rpartition(":")[2]


def a_target(port: object = 1, job: str = JOB, health: str = "up", error: str = "") -> dict:
    url = f"http://localhost:{port}/metrics"
    return {"scrapeUrl": url, "labels": {"job": job}, "health": health, "lastError": error}


def test_a_target_that_is_up_and_kept_is_fine(world):
    assert scraped(world, [a_target()])[0] == []


def test_an_engine_that_scrapes_nothing_of_ours_gets_the_lines_to_add(world):
    found, port = scraped(world, [a_target(job="node")])
    finding = one(found)
    assert finding.id == "prometheus-no-target"
    assert f"has 1 targets, none of them is localhost:{port}" in finding.evidence
    assert finding.fix == (
        f"- {{job_name: ollama_proxy, static_configs: [{{targets: ['localhost:{port}']}}]}}"
    )


def test_a_target_that_is_down_says_why(world):
    found, _ = scraped(world, [a_target(health="down", error="connection refused")])
    finding = one(found)
    assert finding.id == "prometheus-target-down"
    assert finding.evidence.endswith("/metrics: connection refused")
    # Without the stack that is how it has to be.
    assert scraped(world, [a_target(health="down")], runs=False)[0] == []


def test_names_that_a_relabelling_drops_are_missed(world):
    found, _ = scraped(world, [a_target()], kept=False)
    assert one(found).id == "prometheus-names"
    # Where the proxy serves none there is nothing to keep.
    assert scraped(world, [a_target()], kept=False, served=b"x 1\n")[0] == []


def test_an_engine_that_tells_no_targets_is_left_alone(world):
    assert scraped(world, None)[0] == []


def test_the_proxy_is_known_by_its_address_or_by_its_job():
    config = Config()
    assert prometheus.is_ours(a_target(8001, "mine"), config)
    assert prometheus.is_ours(a_target(1, JOB), config)
    assert not prometheus.is_ours(a_target(1, "mine"), config)
    assert not prometheus.is_ours({"scrapeUrl": "http://[x", "labels": None}, config)


def test_another_name_of_the_job_is_said():
    finding = one(prometheus.judge(a_target(job="mine")))
    assert (finding.id, finding.fix) == ("prometheus-job", "job_name: 'ollama_proxy'")
