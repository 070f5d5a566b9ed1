import sys
from dataclasses import replace

from ollamon.cli.checks import versions
from ollamon.cli.checks.finding import Severity
from tests.cli.test_table import STATUS


def test_a_running_stack_of_another_version_is_a_warning(world):
    _, finding = versions.check(world(status=replace(STATUS, version="0.0.1")))
    assert (finding.id, finding.fix) == ("versions-differ", "ollamon down && ollamon up -d")
    assert "the running stack is 0.0.1" in finding.evidence


def test_the_python_is_named(world):
    first, second = versions.check(world())
    assert sys.executable in first.evidence
    assert {first.severity, second.severity} == {Severity.OK}
