import pytest

from ollamon.cli.checks import helper
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.cli.helper_answers import answer
from tests.cli.servers import answering
from tests.system.stack import free_ports


def test_a_helper_that_is_off_says_how_to_have_it(world):
    finding = one(helper.check(world()))
    assert (finding.severity, finding.fix) == (Severity.OK, "ollamon up --with-helper")


def test_a_helper_that_is_on_starts_with_the_stack(world):
    assert "starts with the stack" in one(helper.check(world({"helper": {"mode": "on"}}))).evidence


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
        ("rapl", "permission_denied", "helper-denied", ""),
        ("powermetrics", "permission_denied", "helper-denied", "ollamon helper sudoers"),
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
