"""What may run as root is found out before anything starts; the rest runs in any case."""

import sys
from dataclasses import dataclass, field, replace

import pytest

from ollamon import services
from ollamon.cli.rights import need, places, report
from ollamon.cli.rights.settle import REMEDY, settle
from ollamon.config.model import Config
from ollamon.helper.powermetrics import command
from ollamon.services import Plan


@dataclass
class Answers:
    """A sudo that says this, and after a password that."""

    before: str = ""
    after: str = ""
    knows_password: bool = True
    has_session: bool = True
    asked: list[tuple[str, ...]] = field(default_factory=list)
    prompts: int = 0

    def refusal(self, words):
        self.asked.append(tuple(words))
        return self.after if self.prompts else self.before

    def authenticate(self):
        self.prompts += 1
        return self.knows_password


@pytest.fixture(autouse=True)
def _not_root(monkeypatch):
    monkeypatch.setattr(services.os, "geteuid", lambda: 1000)


def plan(**helper: object) -> Plan:
    config = Config.model_validate({"helper": {"mode": "on", **helper}})
    return services.stack(config, file="", digest="d", find=lambda _: None)


def as_root(**more: object) -> Plan:
    return plan(run_as="root", trust_user_files=True, **more)


def runs_as_root(made: Plan) -> bool:
    return any(service.through_sudo for service in made.stack.services)


def remarks(made: Plan) -> list[str]:
    return [note.text for note in made.notes if note.about == "helper"]


def test_on_linux_a_helper_of_the_user_needs_nothing(tmp_path):
    sudo, where = Answers("never asked"), replace(places.LINUX, sysfs=tmp_path)
    assert settle(plan(), sudo, None, system="linux", where=where) == plan()
    assert sudo.asked == []


def test_on_linux_what_may_not_be_read_is_told(tmp_path, monkeypatch):
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0")
    (zone / "energy_uj").write_text("1")
    monkeypatch.setattr(report.os, "access", lambda *_: False)
    where = replace(places.LINUX, sysfs=tmp_path, rules=tmp_path / "rules")
    made = settle(plan(), Answers("never asked"), None, system="linux", where=where)
    assert remarks(made) == [f"no CPU power: {zone}/energy_uj may not be read"]
    assert made.notes[-1].remedy == REMEDY
    assert made.stack == plan().stack
    off = plan(mode="off")
    assert settle(off, Answers(), None, system="linux", where=where) is off


def test_a_stack_without_a_helper_needs_nothing():
    sudo = Answers("never asked")
    given = plan(mode="off")
    assert settle(given, sudo, None, system="darwin") is given


def test_what_is_allowed_is_not_asked_for_again():
    sudo, said = Answers(), []
    made = settle(as_root(), sudo, said.append, system="linux")
    assert runs_as_root(made)
    assert (said, sudo.prompts, remarks(made)) == ([], 0, [])
    words = (sys.executable, "-I", "-u", "-m", "ollamon.helper", "--lifeline")
    assert sudo.asked == [words]


def test_a_person_is_told_why_and_asked_once():
    sudo, said = Answers("a password is required"), []
    made = settle(as_root(), sudo, said.append, system="linux")
    assert runs_as_root(made)
    assert sudo.prompts == 1
    assert "gives root up" in said[0]
    assert said[2] == f'With {REMEDY} and helper.run_as = "user" nobody is asked.'
    assert remarks(made) == []


@pytest.mark.parametrize(
    ("sudo", "reason"),
    [
        (Answers("a password is required", knows_password=False), "no password was given"),
        (Answers("a password is required", "not allowed"), "not allowed"),
    ],
)
def test_a_refusal_is_one_note_and_a_helper_without_root(sudo, reason):
    made = settle(as_root(), sudo, lambda _: None, system="linux")
    assert sudo.prompts == 1
    assert not runs_as_root(made)
    assert remarks(made) == [f"no CPU power: {reason}"]
    assert made.notes[-1].remedy == REMEDY
    wanted = plan().stack.services
    assert [(each.name, each.argv, each.after) for each in made.stack.services] == [
        (each.name, each.argv, each.after) for each in wanted
    ]


def test_nobody_is_asked_when_nobody_is_there():
    sudo = Answers("a password is required", has_session=False)
    made = settle(as_root(), sudo, None, system="linux")
    assert sudo.prompts == 0
    assert remarks(made) == [
        "no CPU power: a password is required; in the background nobody can give one"
    ]


def test_files_that_others_can_change_are_refused_before_sudo_is_asked(tmp_path):
    tmp_path.chmod(0o777)
    sudo = Answers()
    untrusted = plan(run_as="root")
    made = settle(untrusted, sudo, lambda _: None, system="linux", files=lambda: [tmp_path])
    assert not runs_as_root(made)
    assert remarks(made)[0].endswith("can be changed without being root")
    assert sudo.asked == []


def test_on_a_mac_sudo_is_asked_for_powermetrics_alone():
    sudo = Answers("a password is required")
    made = settle(plan(interval="10s"), sudo, None, system="darwin")
    (words,) = sudo.asked
    assert words[0] == command.PROGRAM
    assert words[words.index("-i") + 1] == "10000"
    # The helper runs all the same, and says of its source that it is denied.
    assert [each.argv for each in made.stack.services] == [
        each.argv for each in plan(interval="10s").stack.services
    ]
    assert remarks(made)[0].startswith("no GPU load, power and thermal pressure: ")


def test_every_rung_of_the_ladder_is_known():
    rungs = need.powermetrics(plan().config.helper, "arm64")
    assert len(rungs) == len(set(rungs)) == len(command.rungs("arm64"))
