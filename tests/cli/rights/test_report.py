"""What is installed and may be read, before a play of sudo and trees of files."""

import os
from dataclasses import replace

import pytest

from ollamon.cli.rights import need, places, report, steps
from ollamon.cli.rights.steps import Made
from ollamon.cli.words import Style
from ollamon.config.model import Helper


class Allows:
    """A sudo that lets the words of one interval pass."""

    def __init__(self, interval: str) -> None:
        helper = Helper.model_validate({"interval": interval})
        self._forms = need.powermetrics(helper, "arm64")

    def refusal(self, words):
        return "" if tuple(words) in self._forms else "a password is required"


@pytest.fixture(autouse=True)
def _not_root(monkeypatch):
    monkeypatch.setattr(report.os, "geteuid", lambda: 501)


def on_mac(tmp_path, allowed: str, *, is_there: bool = False) -> report.Report:
    where = replace(places.MACOS, sudoers=tmp_path / "ollamon")
    if is_there:
        where.sudoers.write_text("")
    return report.on_mac(Helper(), "arm64", where, Allows(allowed))


def test_nothing_is_installed():
    found = report.on_mac(Helper(), "x86_64", places.MACOS, Allows("5s"))
    assert (found.is_installed, found.rights[0].may) == (False, False)
    assert found.rights[0].reason == "sudo refuses: a password is required"
    assert found.rights[0].fix == "ollamon helper install"


def test_what_is_installed_fits_or_no_longer(tmp_path):
    found = on_mac(tmp_path, "5s", is_there=True)
    assert (found.is_installed, found.fits, found.rights[0].may) == (True, True, True)
    for outgrown in (on_mac(tmp_path, "10s"), on_mac(tmp_path, "60s", is_there=True)):
        assert (outgrown.is_installed, outgrown.fits) == (True, False)
        assert "no longer fits helper.interval; install it again" in outgrown.rights[0].reason


def test_people_see_it(tmp_path):
    found = on_mac(tmp_path, "10s", is_there=True)
    assert list(report.lines(found, Style(width=0)))[:3] == [
        f" ! installed    {tmp_path}/ollamon no longer fits",
        "                → ollamon helper install",
        f" ! powermetrics {tmp_path}/ollamon no longer fits helper.interval; install it again; "
        "needs root, through sudo",
    ]
    assert report.document(found)["sources"][1]["needs"] == ""


def test_on_linux_the_counters_are_looked_at(tmp_path, monkeypatch):
    where = replace(places.LINUX, rules=tmp_path / "rules", sysfs=tmp_path)
    assert report.on_linux(where).rights[0].may is None
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0")
    (zone / "energy_uj").write_text("1")
    assert report.on_linux(where).rights[0].may is True
    monkeypatch.setattr(report.os, "access", lambda *_: False)
    denied = report.on_linux(where)
    assert (denied.is_installed, denied.rights[0].may) == (False, False)
    assert denied.rights[0].fix == "ollamon helper install"
    where.rules.write_text("something else\n")
    assert (report.on_linux(where).is_installed, report.on_linux(where).fits) == (True, False)
    where.rules.write_text(steps.rule(where, Made(True, ("alice",))))
    assert report.on_linux(where).fits


def test_a_member_is_told_to_log_in_again(tmp_path, monkeypatch):
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0")
    (zone / "energy_uj").write_text("1")
    where = replace(places.LINUX, rules=tmp_path / "rules", sysfs=tmp_path)
    where.rules.write_text(steps.rule(where, Made()))
    name = report.pwd.getpwuid(os.getuid()).pw_name
    group = report.grp.struct_group((where.group, "x", (zone / "energy_uj").stat().st_gid, [name]))
    monkeypatch.setattr(report.grp, "getgrnam", lambda _: group)
    monkeypatch.setattr(report.os, "getgroups", list)
    monkeypatch.setattr(report.os, "access", lambda *_: False)
    right = report.on_linux(where).rights[0]
    assert right.reason == "you are in the group ollamon from your next login on"
    assert right.fix == ""
