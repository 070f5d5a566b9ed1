"""Who the helper becomes when it gives root up; tests/supervisor/faults/test_sudo.py does it."""

import os
import subprocess
import sys

import pytest

from ollamon.helper import privilege
from ollamon.helper.collectors.rapl import Rapl

NOBODY = (privilege.NOBODY, privilege.NOBODY)
HEIRS = {
    "who called sudo": ({"SUDO_UID": "1000", "SUDO_GID": "100"}, (1000, 100)),
    "nobody called sudo": ({}, NOBODY),
    "no group": ({"SUDO_UID": "1000"}, NOBODY),
    "root called sudo": ({"SUDO_UID": "0", "SUDO_GID": "0"}, NOBODY),
    "the group of root": ({"SUDO_UID": "1000", "SUDO_GID": "0"}, NOBODY),
    "no number": ({"SUDO_UID": "alice", "SUDO_GID": "100"}, NOBODY),
    "a negative number": ({"SUDO_UID": "-1", "SUDO_GID": "100"}, NOBODY),
    "a number that means nobody to setuid": ({"SUDO_UID": f"{2**32 - 1}", "SUDO_GID": "1"}, NOBODY),
    "digits of another script": ({"SUDO_UID": "\u0661", "SUDO_GID": "100"}, NOBODY),
}


@pytest.mark.parametrize(("environment", "expected"), HEIRS.values(), ids=HEIRS)
def test_root_becomes_who_called_sudo_else_nobody(environment, expected):
    assert privilege.heir(environment) == expected


def test_who_is_not_root_stays_who_it_is(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert privilege.give_up_root(pytest.fail, "/nowhere") == {}


SHOW = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ollamon.helper import privilege
privilege.give_up_root(lambda: None, "/nowhere")
print(os.getresuid(), os.getresgid(), os.getgroups())
try:
    os.setuid(0)
except PermissionError:
    print("for good")
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="only root can give root up"
)
def test_root_is_given_up_for_good():
    environment = {"SUDO_UID": "4711", "SUDO_GID": "4712"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", SHOW, os.getcwd()],  # noqa: PTH109
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    ids = [f"({number}, {number}, {number})" for number in (4711, 4712)]
    assert done.stdout == f"{' '.join(ids)} []\nfor good\n"


def test_what_was_opened_as_root_stays_readable(tmp_path):
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    energy = zone / "energy_uj"
    energy.write_text("1000000\n")
    (tmp_path / "class" / "powercap" / "intel-rapl:1").mkdir()
    opened = privilege.open_counters(str(tmp_path))
    assert list(opened) == ["intel-rapl:0"]
    energy.write_text("3000000\n")
    # Nobody can open it by its name any more.
    energy.unlink()
    energy.mkdir()
    assert Rapl(tmp_path, opened).read()["intel-rapl:0"].energy == 3_000_000
    os.close(opened["intel-rapl:0"])
