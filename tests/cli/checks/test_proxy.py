from dataclasses import replace

from ollamon.cli.checks import proxy
from ollamon.cli.checks.exposition import samples, total
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.cli.servers import routing
from tests.cli.test_table import PROXY, STATUS

RUNS = replace(STATUS, children=(PROXY,))
SERVED = b"ollama_proxy_requests_accepted_total 3.0\n"
VERSION = b'{"version":"0.33.0"}'


def check(world, metrics: bytes, through: int, direct: int = 200, **rest):
    """The proxy and its metrics on one server, Ollama on another."""
    routes = {"/metrics": (200, metrics), "/api/version": (through, VERSION)}
    with routing(routes) as url, routing({"/api/version": (direct, VERSION)}) as behind:
        here = world({"ollama": {"url": behind}, **rest.pop("document", {})}, status=RUNS, **rest)
        address = here.loaded.config.proxy.listen._replace(port=int(url.rpartition(":")[2]))
        placed = here.loaded.config.proxy.model_copy(
            update={"listen": address, "metrics_listen": address}
        )
        config = here.loaded.config.model_copy(update={"proxy": placed})
        return list(proxy.check(replace(here, loaded=replace(here.loaded, config=config))))


def test_a_proxy_that_answers_is_fine_and_timed(world):
    finding = one(check(world, SERVED, 200))
    assert finding.severity is Severity.OK
    assert " ms through 127.0.0.1:" in finding.evidence


def test_metrics_that_are_not_ours_are_a_problem(world):
    finding = one(check(world, b"go_goroutines 7\n", 200))
    assert finding.id == "proxy-no-metrics"
    assert finding.evidence.endswith("/metrics does not show ollama_proxy_requests_accepted_total")


def test_an_ollama_that_answers_and_not_through_the_proxy_is_a_problem(world):
    assert one(check(world, SERVED, 403)).id == "proxy-blocked"
    # Nobody answers: the check of Ollama says so.
    assert one(check(world, SERVED, 502, 503)).severity is Severity.OK


def test_a_way_that_takes_long_is_said(world, monkeypatch):
    monkeypatch.setattr(proxy, "SLOW_S", -1.0)
    assert one(check(world, SERVED, 200)).id == "proxy-slow"


def test_nothing_is_asked_offline_of_what_does_not_run_or_is_no_ollama(world):
    assert check(world, SERVED, 200, is_offline=True) == []
    assert list(proxy.check(world())) == []
    off = {"document": {"ollama": {"mode": "off"}}}
    assert one(check(world, SERVED, 500, **off)).severity is Severity.OK


def test_samples_are_read_from_the_text_format():
    text = (
        "# HELP a x\na 1\nab 5\n"
        'a{model="x:\\"y\\"",reason="z"} 2.5 1700000000\na{model="q"} NaNsense\na_b 7\n'
    )
    assert total(text, "a") == 3.5
    assert total(text, "c") is None
    assert list(samples(text, "a"))[1][0] == {"model": 'x:\\"y\\"', "reason": "z"}
