from dataclasses import replace

from ollamon import services
from ollamon.cli.checks import config
from ollamon.cli.checks.finding import Severity
from ollamon.errors import ConfigError, Problem
from tests.cli.checks.conftest import one
from tests.cli.test_table import STATUS


def test_notices_are_warnings(world):
    finding = one(config.check(world(notices=("OLLAMA_HOST names this proxy",))))
    assert (finding.id, finding.evidence) == ("config-odd", "OLLAMA_HOST names this proxy")


def running(here):
    status = replace(STATUS, config_digest=services.digest(here.loaded.config))
    return replace(here, status=status)


def test_a_stack_that_runs_with_another_configuration_is_a_warning(world):
    assert one(config.check(world(status=STATUS))).id == "config-other"
    finding = one(config.check(running(world())))
    assert (finding.severity, finding.evidence) == (Severity.OK, "no file, all defaults")


def test_every_mistake_of_the_file_is_a_problem():
    error = ConfigError((Problem("a: wrong", "x.toml:1:1", "   1 | a"), Problem("b: wrong")))
    assert [finding.evidence for finding in config.broken(error)] == [
        "x.toml:1:1: a: wrong",
        "b: wrong",
    ]
    assert {finding.id for finding in config.broken(error)} == {"config-wrong"}
    assert all(finding.severity is Severity.PROBLEM for finding in config.broken(error))


def test_a_generated_file_that_was_changed_is_written_anew_and_the_change_is_kept(world, tmp_path):
    here = running(world(find=lambda _: "/bin/true"))
    assert one(config.check(here)).severity is Severity.OK
    (tmp_path / "s").mkdir()
    file = tmp_path / "s/prometheus.yml"
    file.write_text("mine: 1\n")
    finding = one(config.check(here))
    assert finding.id == "config-generated"
    assert finding.repair is not None
    assert "what it held is in prometheus.yml.changed" in finding.repair.do()
    assert (tmp_path / "s/prometheus.yml.changed").read_text() == "mine: 1\n"
    assert "ollama_proxy" in file.read_text()
    assert one(config.check(here)).severity is Severity.OK
    # Nothing runs: the next start writes it anyway.
    file.write_text("mine: 1\n")
    assert one(config.check(replace(here, status=None))).severity is Severity.OK
