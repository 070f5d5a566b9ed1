import json
from dataclasses import replace

import pytest

from ollamon.cli.checks import dashboard
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.cli.servers import answering
from tests.cli.test_table import PROXY, STATUS

RUNS = replace(STATUS, children=(replace(PROXY, name="dashboard"),))


def check(world, status: int, body: bytes, **rest):
    with answering(status, body) as url:
        document = {"dashboard": {"listen": url.removeprefix("http://")}}
        return list(dashboard.check(world(document, status=RUNS, **rest)))


def said(kind: str, level: str) -> bytes:
    return json.dumps({"status": {"kind": kind, "level": level, "text": "Words"}}).encode()


@pytest.mark.parametrize(
    ("kind", "level", "found"),
    [
        ("live", "ok", "dashboard"),
        ("proxy_down", "down", "dashboard-awry"),
        ("prometheus_down", "warn", "dashboard-awry"),
        # The check of Ollama says so.
        ("upstream_down", "down", "dashboard"),
        ("not_ollama", "warn", "dashboard"),
    ],
)
def test_the_page_is_believed(world, kind, level, found):
    finding = one(check(world, 200, said(kind, level)))
    assert finding.id == found
    assert finding.evidence.endswith("says: Words")


@pytest.mark.parametrize(("status", "body"), [(503, b"{}"), (200, b"<html>"), (200, b"{}")])
def test_a_page_without_numbers_is_a_problem(world, status, body):
    finding = one(check(world, status, body))
    assert (finding.id, finding.severity) == ("dashboard-silent", Severity.PROBLEM)


def test_nothing_is_asked_offline_or_of_what_does_not_run(world):
    assert check(world, 500, b"", is_offline=True) == []
    assert list(dashboard.check(world())) == []
