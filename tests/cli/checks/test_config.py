from dataclasses import replace

from ollamon import services
from ollamon.cli.checks import config
from ollamon.cli.checks.finding import Severity
from ollamon.errors import ConfigError, Problem
from tests.cli.checks.conftest import one
from tests.cli.test_table import STATUS


def test_notices_are_warnings(world):
    finding = one(config.check(world(notices=("OLLAMA_HOST names this proxy",))))
    assert (finding.severity, finding.evidence) == (Severity.WARN, "OLLAMA_HOST names this proxy")


def test_a_stack_that_runs_with_another_configuration_is_a_warning(world):
    finding = one(config.check(world(status=STATUS)))
    assert finding.severity is Severity.WARN
    here = world()
    same = replace(STATUS, config_digest=services.digest(here.loaded.config))
    finding = one(config.check(replace(here, status=same)))
    assert (finding.severity, finding.evidence) == (Severity.OK, "no file, all defaults")


def test_every_mistake_of_the_file_is_a_problem():
    error = ConfigError((Problem("a: wrong", "x.toml:1:1", "   1 | a"), Problem("b: wrong")))
    assert [finding.evidence for finding in config.broken(error)] == [
        "x.toml:1:1: a: wrong",
        "b: wrong",
    ]
    assert all(finding.severity is Severity.PROBLEM for finding in config.broken(error))
