"""The list of what can be found, and the page that shows it."""

import re
from pathlib import Path

from ollamon.cli import checks
from ollamon.cli.checks import page
from ollamon.cli.checks.finding import MARKS, Repair, Severity, fine, problem, warning

KINDS = checks.kinds()
HERE = Path(__file__).parent


def test_every_kind_has_an_id_of_its_own_words_and_a_check_that_exists():
    assert len({kind.id for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", kind.id)
        assert kind.check in checks.NAMES
        assert kind.severity is not Severity.OK
        assert kind.means.endswith(".")
        assert kind.mends.endswith(".")


def test_every_severity_has_a_mark():
    assert set(MARKS) == set(Severity)


def test_every_kind_is_on_the_page():
    text = page.page(KINDS)
    assert [kind.id for kind in KINDS] == re.findall(r"^\| [!✗] \| `([a-z-]+)`", text, re.MULTILINE)


def test_every_kind_is_fired_by_a_test_here():
    said = "".join(path.read_text() for path in HERE.glob("test_*.py"))
    assert [kind.id for kind in KINDS if f'"{kind.id}"' not in said] == []


def test_what_can_be_repaired_names_the_command_that_does_so():
    kind = warning("config-x", "X.", "Y.")
    repair = Repair("do it", lambda: "done")
    assert kind.found("seen", repair=repair).fix == "ollamon doctor --fix"
    assert kind.found("seen").fix == ""
    assert (kind.check, problem("ports-x", "", "").severity) == ("config", Severity.PROBLEM)
    assert fine("ports", "x").id == "ports"
