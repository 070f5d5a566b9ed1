import os
import socket
from pathlib import Path

import pytest

from ollamon.cli import ollama_probe
from ollamon.config.values import Address
from ollamon.supervisor import identity, runfile
from tests.system.stack import free_ports


def test_whoever_accepts_connections_has_the_place(tmp_path, monkeypatch):
    monkeypatch.setattr(ollama_probe, "starter", lambda: "")
    knock = ollama_probe.has_ollama(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        assert knock(address)
        # The tests of a run of ours: this process is no child of it.
        run = runfile.Run("0", "r", "b", os.getpid(), 0.0, "", "", ())
        runfile.write(tmp_path, run)
        assert knock(address)
        monkeypatch.setattr(identity, "run_of", lambda pid: "r" if pid == os.getpid() else "")
        assert not knock(address)
    assert not knock(Address("127.0.0.1", free_ports(1)[0]))


def test_a_place_that_the_system_will_fill_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(ollama_probe, "starter", lambda: "sudo systemctl start ollama")
    assert ollama_probe.has_ollama(tmp_path)(Address("127.0.0.1", free_ports(1)[0]))


@pytest.mark.parametrize(
    ("platform", "path", "command"),
    [
        ("linux", "etc/systemd/system/default.target.wants/ollama.service", "sudo systemctl start"),
        (
            "linux",
            "me/.config/systemd/user/default.target.wants/ollama.service",
            "systemctl --user",
        ),
        # Installed, and not to be started by itself.
        ("linux", "etc/systemd/system/ollama.service", ""),
        ("linux", "Applications/Ollama.app", ""),
        ("darwin", "Applications/Ollama.app", "open -a Ollama"),
        ("darwin", "me/Library/LaunchAgents/homebrew.mxcl.ollama.plist", "brew services start"),
    ],
)
def test_who_keeps_an_ollama(tmp_path, monkeypatch, platform, path, command):
    monkeypatch.setattr(ollama_probe.sys, "platform", platform)
    assert ollama_probe.starter(tmp_path, tmp_path / "me") == ""
    place = Path(tmp_path, path)
    place.parent.mkdir(parents=True)
    place.touch()
    found = ollama_probe.starter(tmp_path, tmp_path / "me")
    assert found.startswith(command)
    assert bool(found) == bool(command)
