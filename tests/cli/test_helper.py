import json
import os
import pwd
import sys
from dataclasses import replace

import pytest

from ollamon.cli.helper import command as helper
from ollamon.cli.rights import places
from ollamon.cli.rights.person import Person


@pytest.fixture
def alice(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 501)
    entry = pwd.struct_passwd(("alice", "x", 501, 20, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry)


def test_the_rule_is_printed_and_nothing_is_installed(invoke, alice):
    code, out, err = invoke("helper", "sudoers")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 4
    assert all(line.startswith("alice ALL=(root) NOPASSWD: /usr/bin/") for line in out.splitlines())
    assert json.loads(invoke("helper", "sudoers", "--json")[1])["text"] == out


def test_the_rule_follows_the_interval_of_the_file(invoke, alice, home):
    (home / "ollamon.toml").write_text('[helper]\ninterval = "10s"\n')
    assert "-i 10000 -n 360" in invoke("helper", "sudoers")[1]


def test_root_needs_no_rule(invoke, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    code, out, err = invoke("helper", "sudoers")
    assert (code, out) == (8, "")
    assert "root needs no rule" in err


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A Linux on which nothing is installed, asked by a person who called sudo."""
    where = replace(places.LINUX, rules=tmp_path / "rules", sysfs=tmp_path, group="ollamon-none")
    monkeypatch.setattr(places, "LINUX", where)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Person, "of_this_process", lambda: Person("alice", 1000))
    return where


def test_what_would_be_installed_is_shown_and_nothing_else_happens(invoke, nowhere):
    code, out, _ = invoke("helper", "install", "--print")
    assert code == 0
    assert f"{nowhere.rules} will be:" in out
    assert "/usr/bin/gpasswd -a alice ollamon-none" in out
    assert "PLATYPUS" in out
    code, out, err = invoke("helper", "install", "--print", "--json")
    document = json.loads(out)
    assert document["is_done"] is False
    assert document["commands"][0] == ["/usr/sbin/groupadd", "--system", "ollamon-none"]
    assert document["text"] in err.replace("\n    ", "\n")
    assert list(nowhere.rules.parent.glob("rules*")) == []


def test_where_nothing_can_be_given_or_taken_that_is_said(invoke, nowhere):
    assert invoke("helper", "install", "--yes")[:2] == (
        0,
        "Nothing to install: this machine shows no RAPL energy counters.\n",
    )
    assert invoke("helper", "uninstall", "--yes")[:2] == (
        0,
        f"Nothing is installed: there is no {nowhere.rules}.\n",
    )


def test_the_status_names_every_source(invoke, nowhere):
    code, out, _ = invoke("helper", "status")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == [
        *("installed", "rapl", "hwmon", "nvidia", "amdgpu", "intel")
    ]
    document = json.loads(invoke("helper", "status", "--json")[1])
    assert (document["is_installed"], document["fits"]) == (False, False)
    assert document["sources"][0]["may"] is None


def test_its_name():
    assert helper.name == "helper"
