"""`ollamon service`, with a systemctl that writes down what it is asked."""

import json
import os

import pytest

from ollamon.artifacts.units import MARK
from ollamon.cli import service, shapes
from tests.cli.test_verbs import answer
from tests.supervisor.harness import service as child


@pytest.fixture
def asked(home, monkeypatch):
    """Return what a manager was asked; `refuse` makes it fail."""
    bin_folder = home / "bin"
    bin_folder.mkdir()
    for name in ("systemctl", "launchctl"):
        script = [f'echo "{name} $*" >>{home}/asked', f"[ ! -e {home}/refuse ] && exit"]
        script += ["echo no bus >&2", "exit 1"]
        (bin_folder / name).write_text("\n".join(["#!/bin/sh", *script, ""]))
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    monkeypatch.setattr("sys.platform", "linux")

    def read() -> list[str]:
        path = home / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    return read


def test_a_unit_is_printed_and_nothing_is_installed(invoke, home, asked):
    (home / "ollamon.toml").write_text('name = "box"\n')
    code, out, _ = invoke("service", "print")
    assert code == 0
    assert f'"--config" "{home}/ollamon.toml" "--name" "box" "up" "--no-color"' in out
    document = answer(invoke("service", "print", "--json")[1], shapes.ServicePrint)
    assert document == {
        "file": f"{home}/.config/systemd/user/ollamon-box.service",
        "text": out,
    }
    document = answer(
        invoke("service", "print", "--for", "launchd", "--json")[1], shapes.ServicePrint
    )
    assert document["file"] == f"{home}/Library/LaunchAgents/ollamon.box.plist"
    assert not (home / ".config").exists()
    assert asked() == []


def test_a_service_is_installed_and_removed(invoke, home, asked, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:11434")
    monkeypatch.setenv("OLLAMON_LOG__KEEP", "2")
    code, out, _ = invoke("service", "install")
    assert code == 0
    path = home / ".config/systemd/user/ollamon.service"
    assert MARK in path.read_text()
    assert out.startswith("Wrote ~/.config/systemd/user/ollamon.service.\n")
    assert "notice: OLLAMA_HOST is set here" in out
    assert "notice: OLLAMON_LOG__KEEP is set here" in out
    assert asked() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now ollamon.service",
    ]
    assert answer(invoke("service", "install", "--json")[1], shapes.ServiceInstall)["is_started"]
    asked()
    assert invoke("service", "uninstall")[:2] == (
        0,
        "Removed ~/.config/systemd/user/ollamon.service.\n",
    )
    assert asked() == [
        "systemctl --user disable --now ollamon.service",
        "systemctl --user daemon-reload",
    ]
    assert not path.exists()
    document = answer(invoke("service", "uninstall", "--json")[1], shapes.ServiceUninstall)
    assert not document["was_installed"]


def test_an_agent_that_is_loaded_is_loaded_anew(invoke, home, asked, monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    code, out, _ = invoke("service", "install")
    assert code == 0
    path = home / "Library/LaunchAgents/ollamon.default.plist"
    domain = f"gui/{os.getuid()}"
    assert asked() == [
        f"launchctl bootout {domain}/ollamon.default",
        f"launchctl bootstrap {domain} {path}",
    ]
    assert f"launchctl print {domain}/ollamon.default" in out
    assert invoke("service", "uninstall")[0] == 0
    assert asked() == [f"launchctl bootout {domain}/ollamon.default"]


def test_a_stack_that_runs_is_left_running(running, invoke, asked):
    running(child("one"))
    assert "begins with your next session" in invoke("service", "install")[1]
    assert "systemctl --user enable ollamon.service" in asked()


def test_a_file_of_somebody_else_is_left_alone(invoke, home, asked):
    path = home / ".config/systemd/user/ollamon.service"
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\nExecStart=/bin/mine\n")
    for word in ("install", "uninstall"):
        code, _, err = invoke("service", word)
        assert code == 1
        assert "was not made by ollamon and is left alone" in err
    assert path.read_text() == "[Service]\nExecStart=/bin/mine\n"
    assert asked() == []


def test_a_manager_that_refuses_is_quoted(invoke, home, asked):
    (home / "refuse").touch()
    code, _, err = invoke("service", "install")
    assert (code, err) == (1, "error: `systemctl --user daemon-reload` failed: no bus\n")


def test_a_manager_that_is_missing_is_seven(invoke, home, asked, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    code, out, _ = invoke("service", "install", "--json")
    assert (code, json.loads(out)["error"]["kind"]) == (7, "program_missing")
    assert service.command.name == "service"
