"""The rule for powermetrics is installed, kept, checked and removed by the real sudo and visudo.

Another program stands in the place of powermetrics, a file of this run in that of the real one.
"""

import json
import stat
from dataclasses import asdict, replace

import pytest

from ollamon import sudo
from ollamon.cli.rights import giving, mac, need, places, steps
from ollamon.cli.rights.person import Person
from ollamon.cli.rights.places import Places
from ollamon.cli.rights.runner import Runner
from ollamon.cli.session import Session
from ollamon.config.model import Helper
from ollamon.errors import PrivilegeError
from tests.fakes.sudo_user import RULES, SudoUser, needs_sudo, open_python
from tests.supervisor.faults.users import as_user

pytestmark = needs_sudo
SCRIPT = "tests/fakes/rights.py"


@pytest.fixture
def where(user: SudoUser) -> Places:
    """Debian's places, and the file of a system of which nothing else is touched."""
    return replace(
        places.MACOS,
        chown=places.LINUX.chown,
        root_group="root",
        powermetrics=str(user.program("powermetrics", "id -u")),
        sudoers=RULES / f"{user.name}-rule",
    )


def wanted(where: Places, user: SudoUser, interval: str = "5s") -> mac.OnMac:
    helper = Helper.model_validate({"interval": interval})
    return mac.OnMac(where, Person(user.name, user.uid), helper, "arm64")


def forms(where: Places) -> list[tuple[str, ...]]:
    return need.powermetrics(Helper(), "arm64", where.powermetrics)


def give(installation: mac.OnMac) -> int:
    runner = Runner(installation._places.sudo, may_ask=False)
    return giving.give(installation, runner, Session(), is_sure=True, only_shows=False)


def files(where: Places) -> list[str]:
    return sorted(path.name for path in RULES.glob(f"{where.sudoers.name}*"))


def test_a_user_gives_it_sees_it_outgrows_it_and_takes_it_back(user, where):
    text = wanted(where, user).text
    chosen = [*steps.allow_powermetrics(where, text), *steps.forbid_powermetrics(where)]
    words = {step.words for step in chosen} | {("/bin/cat", str(where.sudoers))}
    # Each command that is shown may be run and nothing else: so nothing else is.
    user.allow(*(sudo.rule("USER", each) for each in words))
    fields = {key: value for key, value in asdict(where).items() if isinstance(value, str)}
    fields["sudoers"] = str(where.sudoers)
    with open_python(user) as python:

        def run(action: str, *more: str) -> str:
            words = (python, SCRIPT, action, json.dumps(fields), *more)
            done = user.run_as(as_user(uid=user.uid), *words)
            assert done.returncode == 0, (done.stdout, done.stderr)
            return done.stdout

        def right(*more: str) -> tuple[bool, bool, bool]:
            seen = json.loads(run("status", *more))
            return seen["is_installed"], seen["fits"], seen["sources"][0]["may"]

        assert right() == (False, False, False)
        assert user.sudo("--", *forms(where)[0]).returncode != 0

        said = run("install")
        assert all(line in said for line in text.splitlines())
        assert f"/usr/sbin/visudo -cf {where.sudoers}.new" in said
        facts = where.sudoers.stat()
        assert (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (0o440, 0, 0)
        assert where.sudoers.read_text() == text
        assert files(where) == [where.sudoers.name]
        assert [user.sudo("--", *form).stdout for form in forms(where)] == ["0\n"] * 4
        assert right() == (True, True, True)
        # The words follow the interval, and the file does not follow by itself.
        assert right("10s") == (True, False, False)

        run("uninstall")
    assert files(where) == []
    assert user.sudo("--", *forms(where)[0]).returncode != 0


def test_root_gives_it_to_who_called_sudo_without_sudo(user, where):
    assert give(wanted(where, user)) == 0
    assert user.sudo("--", *forms(where)[0]).stdout == "0\n"
    # Once more, with other words.
    assert give(wanted(where, user, "2s")) == 0
    assert user.sudo("--", *forms(where)[0]).returncode != 0


def test_a_file_that_sudo_would_not_read_is_never_put_there(user, where):
    installation = wanted(where, user)
    installation.text += "this is no rule\n"
    with pytest.raises(PrivilegeError, match=r"visudo -cf -: .*syntax error"):
        give(installation)
    assert files(where) == []


FAILING = {
    "tee": {"tee": "cat >> $1; exit 1"},
    "chown": {"chown": "exit 1"},
    "the last look at everything": {"visudo": 'if [ "$*" = -c ]; then echo broken; exit 1; fi'},
    "other bytes arrive": {"tee": "cat > $1; echo >> $1"},
}


@pytest.mark.parametrize("programs", FAILING.values(), ids=FAILING)
def test_whatever_fails_is_undone(user, where, programs):
    for name, script in programs.items():
        program = str(user.program(name, script))
        field = {"admin": str(user.folder)} if name == "visudo" else {name: program}
        where = replace(where, **field)
    with pytest.raises(PrivilegeError, match="What was done before is undone"):
        give(wanted(where, user))
    assert files(where) == []


def test_a_rule_that_has_no_effect_is_removed_again(user, where):
    with pytest.raises(PrivilegeError, match="sudo does not follow"):
        give(wanted(replace(where, sudo="/bin/false"), user))
    assert files(where) == []


def test_the_file_of_somebody_else_stays(user, where):
    where.sudoers.write_text("bob ALL=(root) NOPASSWD: /usr/bin/true\n")
    where.sudoers.chmod(0o440)
    runner = Runner(where.sudo, may_ask=False)
    for act in (giving.give, giving.take):
        with pytest.raises(PrivilegeError, match=r"is of somebody else, bob"):
            act(wanted(where, user), runner, Session(), is_sure=True, only_shows=False)
    assert where.sudoers.read_text().startswith("bob")


def test_nothing_happens_without_an_agreement(user, where, monkeypatch):
    runner = Runner(where.sudo, may_ask=False)
    shown = giving.give(wanted(where, user), runner, Session(), is_sure=False, only_shows=True)
    assert (shown, files(where)) == (0, [])
    monkeypatch.setattr(giving.asking, "may_ask", lambda: False)
    with pytest.raises(PrivilegeError, match="--yes"):
        giving.give(wanted(where, user), runner, Session(), is_sure=False, only_shows=False)
    monkeypatch.setattr(giving.asking, "may_ask", lambda: True)
    monkeypatch.setattr(giving.click, "confirm", lambda *_, **__: False)
    refused = giving.give(wanted(where, user), runner, Session(), is_sure=False, only_shows=False)
    assert (refused, files(where)) == (0, [])
