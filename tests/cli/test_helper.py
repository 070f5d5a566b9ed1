import json
import os
import pwd

import pytest

from ollamon.cli.helper import command as helper


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


def test_its_name():
    assert helper.name == "helper"
