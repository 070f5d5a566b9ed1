"""Where things lie, and which file is read."""

import os
import sys
from pathlib import Path

import pytest

from ollamon.config.model import Config
from ollamon.config.paths import find_file, folders, folders_of, user_file, user_folder

linux = pytest.mark.skipif(sys.platform == "darwin", reason="XDG folders")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    for variable in ("OLLAMON_CONFIG", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "me"


@linux
def test_folders_follow_the_home(monkeypatch):
    home = Path("/somewhere/short")
    monkeypatch.setenv("HOME", str(home))
    found = folders(Config(name="second"))
    assert found.state == home / ".local/state/ollamon/second"
    assert found.logs == found.state / "logs"
    assert found.data == home / ".local/share/ollamon/second"
    assert found.runtime == found.state / "run"


@linux
def test_folders_follow_xdg_where_it_is_absolute(home, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    monkeypatch.setenv("XDG_DATA_HOME", "relative/data")
    found = folders(Config())
    assert found.runtime == Path("/run/user/7/ollamon/default")
    assert found.state == Path("/var/state/ollamon/default")
    assert found.data == home / ".local/share/ollamon/default"


def test_the_mac_has_its_own_places(home, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert user_folder("state") == home / "Library/Application Support/ollamon"
    assert folders(Config()).runtime.name == f"ollamon-{os.getuid()}-default"


@linux
@pytest.mark.fault(47)
def test_a_home_too_deep_for_a_socket_gets_a_short_runtime_folder(home, monkeypatch):
    deep = home.parent / ("x" * 80)
    monkeypatch.setenv("HOME", str(deep))
    found = folders(Config())
    assert found.state.is_relative_to(deep)
    assert found.runtime.name == f"ollamon-{os.getuid()}-default"
    assert len(bytes(found.runtime / "ctl.sock")) < 104


def test_chosen_folders_win(home):
    chosen = {"state": "~/s", "runtime": "/r", "data": "", "logs": ""}
    found = folders_of("default", chosen)
    assert (found.state, found.runtime) == (home / "s", Path("/r"))
    assert found.logs == home / "s/logs"


def test_the_option_wins_over_the_variable_over_the_working_directory(home, monkeypatch):
    assert find_file(None) == (None, "")
    user_file().parent.mkdir(parents=True)
    user_file().touch()
    assert find_file(None) == (user_file(), "")
    Path("ollamon.toml").touch()
    assert find_file(None) == (Path("ollamon.toml"), "")
    monkeypatch.setenv("OLLAMON_CONFIG", "~/b.toml")
    assert find_file(None) == (home / "b.toml", "OLLAMON_CONFIG")
    assert find_file("a.toml") == (Path("a.toml"), "--config")
