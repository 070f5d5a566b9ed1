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
    finding = one(helper.check(world({"helper": {"mode": "external", "listen": listen}})))
    assert finding.severity is Severity.WARN
    assert listen in finding.evidence


def test_sources_that_may_not_be_read_are_warnings(world):
    with answering(200, answer(rapl=("permission_denied", "needs group x"))) as url:
        listen = url.removeprefix("http://")
        here = world({"helper": {"mode": "external", "listen": listen}})
        good, bad = helper.check(here)
    assert "rapl permission_denied" in good.evidence
    assert (bad.severity, bad.evidence) == (Severity.WARN, "rapl: needs group x")
