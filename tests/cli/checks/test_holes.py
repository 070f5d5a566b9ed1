import pytest

from ollamon.cli.checks import holes, ollama
from ollamon.cli.checks.finding import Severity
from tests.cli.servers import answering


@pytest.mark.parametrize(
    ("version", "count"),
    [
        *(("0.17.1", 0), ("0.33.0", 0), ("1.0.0", 0), ("0.17.0", 1), ("v0.12.3", 2)),
        *(("0.14.3-rc1", 1), ("0.1.46", 3), ("0.1.28", 4)),
        *(("0.0.0", 0), ("", 0), ("0.1", 4), ("0.1.28x", 4), ("0.1.99999", 0), ("main", 0)),
    ],
)
def test_a_version_has_the_holes_that_later_ones_closed(version, count):
    finding = holes.judge(version)
    assert (finding.evidence.count("CVE-") if finding else 0) == count


def test_the_doctor_says_so_beside_what_it_found(world):
    with answering(200, b'{"version":"0.12.3"}') as url:
        fine, hole = ollama.check(world({"ollama": {"url": url}}))
    assert (fine.severity, hole.id) == (Severity.OK, "ollama-old")
    assert "0.12.3 is older than 0.17.1" in hole.evidence
    assert hole.fix == holes.DOWNLOAD
