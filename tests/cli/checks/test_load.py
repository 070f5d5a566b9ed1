from dataclasses import replace

from ollamon.cli.checks import load
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.cli.test_table import PROXY, STATUS


def check(world, **changes):
    return list(load.check(world(status=replace(STATUS, children=(replace(PROXY, **changes),)))))


def test_what_is_small_is_summed(world):
    finding = one(check(world))
    assert (finding.severity, finding.evidence) == (Severity.OK, "0.8 % of a core, 61 MB")
    assert one(check(world, cpu_percent=None, rss_bytes=None)).severity is Severity.OK
    assert list(load.check(world())) == []


def test_a_helper_that_reads_too_often_gets_a_longer_interval(world):
    finding = one(check(world, name="helper", cpu_percent=30.0))
    assert (finding.id, finding.evidence) == ("load-busy", "helper takes 30 % of a core")
    assert finding.fix == "OLLAMON_HELPER__INTERVAL=15s ollamon up"
    assert one(check(world, cpu_percent=30.0)).severity is Severity.OK
    assert one(check(world, cpu_percent=80.0)).fix == "ollamon logs proxy"


def test_much_memory_is_said_but_not_that_of_what_is_measured(world):
    assert one(check(world, name="prometheus", rss_bytes=2_000_000_000)).id == "load-large"
    assert one(check(world, name="ollama", rss_bytes=2**36, cpu_percent=800.0)).id == "load"
