"""Units that systemd and launchd take, whatever the words in them."""

import plistlib
import subprocess
import sys
from pathlib import Path

import pytest

from ollamon.artifacts.units import MARK, Start, launchd, systemd
from ollamon.config.model import Config

UP = [sys.executable, "-m", "ollamon.cli", "up"]
START = Start(UP, [*UP[:-1], "reload"], {"PATH": "/usr/bin:/bin"}, "/l/x.log")


def verify(folder: Path, text: str) -> str:
    """What systemd complains of."""
    path = folder / "ollamon.service"
    path.write_text(text)
    command = ["systemd-analyze", "verify", "--user", str(path)]
    environment = {"XDG_RUNTIME_DIR": str(folder), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.stdout + done.stderr


linux = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@linux
def test_systemd_has_nothing_to_say_about_it(tmp_path):
    assert verify(tmp_path, systemd(Config(), START)) == ""


@linux
@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("TimeoutStopSec=", "TimeoutStopSec=soon", "Failed to parse"),
        ("WatchdogSec=", "WatchdogSec=nan", "Failed to parse"),
        ("KillMode=mixed", "KillMode=merry", "Failed to parse"),
        (sys.executable, "/nowhere", "not executable"),
    ],
)
def test_systemd_would_say_it(tmp_path, before, after, complaint):
    assert complaint in verify(tmp_path, systemd(Config(), START).replace(before, after, 1))


@linux
def test_words_arrive_as_they_are(tmp_path):
    """`systemd-analyze` does not show arguments, so a name says how they were read."""
    words = ["a b", 'quo"te', "back\\slash", "%h", "$HOME", "${X}", "ü", ";", "it's"]
    text = systemd(Config(), Start([sys.executable, *words], UP, {"X": 'y "z" %h $A'}, ""))
    assert verify(tmp_path, text) == ""
    assert '"a b" "quo\\"te" "back\\\\slash" "%%h" "$$HOME" "$${X}" "ü" ";" "it\'s"' in text
    assert 'Environment="X=y \\"z\\" %%h $A"' in text
    with pytest.raises(ValueError, match="control character"):
        systemd(Config(), Start(["/bin/x\n[Install]"], UP, {}, ""))


def test_limits_are_longer_than_ours():
    config = Config.model_validate(
        {"supervisor": {"start_timeout": "90s", "shutdown_timeout": "61500ms"}}
    )
    text = systemd(config, START)
    assert "TimeoutStartSec=105\n" in text
    assert "TimeoutStopSec=77\n" in text
    assert plistlib.loads(launchd(config, START, "x").encode())["ExitTimeOut"] == 77


def test_sudo_needs_to_gain_rights():
    assert "NoNewPrivileges=yes" in systemd(Config(), START)
    config = Config.model_validate({"helper": {"mode": "on"}})
    assert "NoNewPrivileges=no" in systemd(config, START)


def test_an_agent_is_a_property_list():
    text = launchd(
        Config(), Start(["/bin/a b", "<&>"], UP, {"PATH": "/x"}, "/l/x.log"), "ollamon.me"
    )
    assert MARK in text
    assert plistlib.loads(text.encode()) == {
        "Label": "ollamon.me",
        "ProgramArguments": ["/bin/a b", "<&>"],
        "EnvironmentVariables": {"PATH": "/x"},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 75,
        "ProcessType": "Interactive",
        "StandardOutPath": "/l/x.log",
        "StandardErrorPath": "/l/x.log",
    }
