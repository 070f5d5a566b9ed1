"""RAPL's counters are shared with a group: real groups, a tree for /sys, a play of udev."""

import grp
import itertools
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ollamon.cli.rights import giving, linux, places, report, steps
from ollamon.cli.rights.person import Person
from ollamon.cli.rights.places import Places
from ollamon.cli.rights.runner import Runner
from ollamon.cli.rights.steps import Made
from ollamon.cli.session import Session
from ollamon.errors import PrivilegeError
from tests.fakes.sudo_user import SudoUser, needs_sudo

# What udev does with the rule when it is triggered: to each counter what RUN says.
UDEVADM = """
case "$1" in
--help) echo "  verify [FILE]"; exit ;;
verify) grep -q '^SUBSYSTEM=="powercap"' "$2" ;;
control) test "$2" = --reload ;;
trigger)
  rule=$(grep SUBSYSTEM {rules}) || exit 0
  for zone in {sysfs}/class/powercap/intel-rapl:*; do
    grep -q ^package- $zone/name || continue
    echo "$rule" | grep -o 'RUN+="[^"]*"' | sed "s/^RUN+=.//; s/.$//; s,/sys%p,$zone," | sh -e
  done ;;
esac
"""
_numbers = itertools.count()


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    for zone, name in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core")):
        folder = tmp_path / "sys" / "class" / "powercap" / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text("1\n")
        (folder / "energy_uj").chmod(0o400)
    return tmp_path / "sys"


@pytest.fixture
def where(user: SudoUser, sysfs: Path, tmp_path: Path) -> Iterator[Places]:
    """Debian's places, with files and a group of this run, which is gone in the end."""
    rules = tmp_path / "70-ollamon-rapl.rules"
    script = UDEVADM.replace("{rules}", str(rules)).replace("{sysfs}", str(sysfs))
    group = f"ollamon-{os.getpid()}-{next(_numbers)}"
    yield replace(
        places.LINUX,
        udevadm=str(user.program("udevadm", script)),
        group=group,
        rules=rules,
        sysfs=sysfs,
    )
    if members(group) is not None:
        user.run_as((), "/usr/sbin/groupdel", group)


def facts(where: Places, zone: str) -> tuple[int, str]:
    seen = (where.sysfs / "class" / "powercap" / zone / "energy_uj").stat()
    return stat.S_IMODE(seen.st_mode), grp.getgrgid(seen.st_gid).gr_name


def members(group: str) -> list[str] | None:
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return None


def act(does, where: Places, user: SudoUser) -> int:
    wanted = linux.OnLinux(where, Person(user.name, user.uid))
    runner = Runner(where.sudo, may_ask=False)
    return does(wanted, runner, Session(), is_sure=True, only_shows=False)


@needs_sudo
def test_it_is_given_and_taken_back_without_a_trace(user, where):
    assert act(giving.give, where, user) == 0
    assert members(where.group) == [user.name]
    assert facts(where, "intel-rapl:0") == (0o440, where.group)
    # A part of a package is not read, so that it is not shared.
    assert facts(where, "intel-rapl:0:0") == (0o400, "root")
    assert stat.S_IMODE(where.rules.stat().st_mode) == 0o644
    assert report.on_linux(where).fits

    assert act(giving.take, where, user) == 0
    assert members(where.group) is None
    assert facts(where, "intel-rapl:0") == (0o400, "root")
    assert not where.rules.exists()
    assert not report.on_linux(where).is_installed


@needs_sudo
def test_what_was_there_before_stays(user, where):
    for words in (("groupadd", where.group), ("gpasswd", "-a", "daemon", where.group)):
        assert user.run_as((), *words).returncode == 0
    act(giving.give, where, user)
    # A second time nothing is forgotten.
    act(giving.give, where, user)
    assert steps.made_by(where.rules.read_text()) == Made(False, (user.name,))
    act(giving.take, where, user)
    assert members(where.group) == ["daemon"]


@needs_sudo
def test_who_came_into_the_group_otherwise_keeps_it(user, where):
    act(giving.give, where, user)
    assert user.run_as((), "gpasswd", "-a", "daemon", where.group).returncode == 0
    act(giving.take, where, user)
    assert members(where.group) == ["daemon"]


@needs_sudo
@pytest.mark.parametrize("verb", ["verify", "control", "trigger"])
def test_whatever_fails_is_undone(user, where, verb):
    broken = Path(where.udevadm)
    broken.write_text(broken.read_text().replace(f"{verb})", f"{verb}) exit 1;;\nnever)"))
    with pytest.raises(PrivilegeError, match="What was done before is undone"):
        act(giving.give, where, user)
    assert members(where.group) is None
    assert list(where.rules.parent.glob("70-*")) == []
    assert facts(where, "intel-rapl:0") == (0o400, "root")


@needs_sudo
def test_a_udev_that_does_nothing_is_seen_and_all_is_undone(user, where):
    Path(where.udevadm).write_text("#!/bin/sh\n")
    with pytest.raises(PrivilegeError, match="udev does not follow"):
        act(giving.give, where, user)
    assert members(where.group) is None
    assert not where.rules.exists()


def test_where_there_is_no_counter_or_no_udev_there_is_nothing_to_give(tmp_path, sysfs):
    person = Person("alice", 1000)
    here = replace(places.LINUX, sysfs=sysfs, udevadm=str(tmp_path / "udevadm"))
    assert "no rule would be read" in linux.OnLinux(here, person).nothing()
    nowhere = replace(here, sysfs=tmp_path / "empty")
    assert linux.OnLinux(nowhere, person).nothing() == "this machine shows no RAPL energy counters"


def test_root_needs_no_rights():
    wanted = linux.OnLinux(places.LINUX, Person("root", 0))
    runner = Runner("/bin/false", may_ask=False)
    with pytest.raises(PrivilegeError, match="root needs no rights"):
        giving.give(wanted, runner, Session(), is_sure=True, only_shows=False)
