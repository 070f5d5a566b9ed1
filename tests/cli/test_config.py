import json
import os
import tomllib

import pytest

from ollamon.cli.config import command
from ollamon.config.model import Config


def test_init_writes_a_file_that_changes_nothing(invoke, home):
    path = home / ".config/ollamon/ollamon.toml"
    code, out, _ = invoke("config", "init")
    assert (code, out) == (0, "Wrote ~/.config/ollamon/ollamon.toml.\n")
    assert Config.model_validate(tomllib.loads(path.read_text())) == Config()
    assert invoke("config", "check")[:2] == (
        0,
        "~/.config/ollamon/ollamon.toml: no errors, 0 notices\n",
    )


@pytest.mark.parametrize(
    "words", [["config", "init", "a.toml"], ["-c", "a.toml", "config", "init"]]
)
def test_init_writes_where_it_is_told_and_never_over_a_file(invoke, home, words):
    assert invoke(*words)[0] == 0
    before = (home / "a.toml").read_text()
    code, _, err = invoke(*words)
    assert (code, err) == (1, "error: cannot write ~/a.toml: it exists already\n")
    assert (home / "a.toml").read_text() == before


def test_init_says_why_it_cannot_write(invoke, home):
    (home / "file").touch()
    code, _, err = invoke("config", "init", "file/a.toml")
    assert code == 1
    assert "cannot write" in err


def test_check_reads_the_file_that_is_named(invoke, home):
    (home / "a.toml").write_text("[proxy]\nlisen = 1\n")
    code, _, err = invoke("config", "check", "a.toml")
    assert code == 78
    assert "~/a.toml:2:1" in err


def test_check_tells_notices(invoke, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:11435")
    code, out, _ = invoke("config", "check")
    assert code == 0
    assert out.startswith("notice: OLLAMA_HOST names this proxy")
    assert out.endswith("no file, all defaults: no errors, 1 notice\n")


def test_show_says_what_is_in_force_and_why(invoke, home, monkeypatch):
    (home / "ollamon.toml").write_text("[log]\nkeep = 5\n")
    monkeypatch.setenv("OLLAMON_LOG__MAX_SIZE", "1MB")
    _, out, _ = invoke("config", "show", "--origin")
    shown = {line.split(" = ")[0]: line.partition("#")[2].strip() for line in out.splitlines()}
    assert shown["keep"] == "~/ollamon.toml:2:1"
    assert shown["max_size"] == "OLLAMON_LOG__MAX_SIZE"
    assert shown["name"] == "default"
    assert "#" not in invoke("config", "show")[1]


def test_show_speaks_json(invoke, home):
    (home / "ollamon.toml").write_text("[log]\nkeep = 5\n")
    document = json.loads(invoke("config", "show", "--origin", "--json")[1])
    assert document["config"]["log"]["keep"] == 5
    assert document["origins"]["log.keep"] == "~/ollamon.toml:2:1"
    assert document["origins"]["log.max_size"] == "default"


def test_path_names_the_file(invoke, home, monkeypatch):
    assert invoke("config", "path")[1].endswith(".toml (does not exist)\n")
    (home / "ollamon.toml").touch()
    assert invoke("config", "path")[1] == f"{home}/ollamon.toml\n"
    document = json.loads(invoke("config", "path", "--json")[1])
    assert document["exists"] is True
    monkeypatch.setenv("OLLAMON_CONFIG", os.fspath(home / "b.toml"))
    document = json.loads(invoke("config", "path", "--json")[1])
    assert (document["exists"], document["named_by"]) == (False, "OLLAMON_CONFIG")


def test_the_group_has_these_commands():
    assert sorted(command.commands) == [
        *("check", "edit", "init", "path", "schema", "show", "validate")
    ]
