from dataclasses import replace

import pytest

from ollamon import services
from ollamon.cli.checks import helper
from ollamon.cli.checks.finding import Severity
from ollamon.cli.rights.report import Report, Right
from ollamon.readings import Source
from tests.cli.checks.conftest import one
from tests.cli.helper_answers import answer
from tests.cli.servers import answering
from tests.system.stack import free_ports

RAPL = Right(Source.RAPL, "root, or the group ollamon")


def test_a_helper_that_is_off_says_how_to_have_it(world):
    finding = one(helper.check(world()))
    assert (finding.severity, finding.fix) == (Severity.OK, "ollamon up --with-helper")


ON = {"helper": {"mode": "on"}}


@pytest.fixture(autouse=True)
def _permitted(monkeypatch):
    give(monkeypatch, is_installed=True, fits=True)


def give(monkeypatch, right: Right = RAPL, **facts: bool) -> None:
    found = Report("/etc/some.rules", **facts, rights=(right, Right(Source.HWMON)))
    monkeypatch.setattr(helper.rights, "of_this_system", lambda _: found)


def test_a_helper_that_is_on_starts_with_the_stack(world):
    assert "starts with the stack" in one(helper.check(world(ON))).evidence


def test_what_it_may_not_read_is_told_before_the_start(world, monkeypatch):
    denied = replace(RAPL, may=False, reason="energy_uj may not be read", fix="install it")
    give(monkeypatch, denied, is_installed=False, fits=False)
    _, bad = helper.check(world(ON))
    assert (bad.id, bad.fix) == ("helper-unprivileged", "install it")
    assert bad.evidence == denied.reason


def test_a_file_that_no_longer_fits_is_to_be_installed_again(world, monkeypatch):
    give(monkeypatch, replace(RAPL, may=False), is_installed=True, fits=False)
    _, bad = helper.check(world(ON))
    assert (bad.id, bad.fix) == ("helper-outgrown", "ollamon helper install")
    assert bad.evidence == "/etc/some.rules no longer fits"


def test_a_helper_that_may_not_be_root_is_told(world, monkeypatch):
    monkeypatch.setattr(services.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(helper.settle.trust, "changeable", lambda _: "/opt/x")
    _, bad = helper.check(world({"helper": {"mode": "on", "run_as": "root"}}))
    assert bad.id == "helper-unprivileged"
    assert bad.evidence == "/opt/x can be changed without being root"


def test_an_external_helper_that_does_not_answer_is_a_warning(world):
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    document = {"helper": {"mode": "external", "listen": listen}}
    finding = one(helper.check(world(document)))
    assert finding.id == "helper-silent"
    assert listen in finding.evidence
    assert one(helper.check(world(document, is_offline=True))).severity is Severity.OK


@pytest.mark.parametrize(
    ("source", "state", "found", "fix"),
    [
        ("rapl", "permission_denied", "helper-denied", "ollamon helper install"),
        ("iohid", "permission_denied", "helper-denied", ""),
        ("powermetrics", "permission_denied", "helper-denied", "ollamon helper install"),
        ("nvidia", "failed", "helper-failed", "ollamon logs helper"),
    ],
)
def test_sources_that_give_nothing_are_warnings(world, source, state, found, fix):
    with answering(200, answer(**{source: (state, "needs group x"), "hwmon": ("ok", "")})) as url:
        listen = url.removeprefix("http://")
        here = world({"helper": {"mode": "external", "listen": listen}})
        good, bad = helper.check(here)
    assert f"{source} {state}" in good.evidence
    assert (bad.id, bad.fix) == (found, fix)
    assert bad.evidence == f"{source}: needs group x"
