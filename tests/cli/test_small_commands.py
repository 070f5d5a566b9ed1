"""`env`, `open`, `completion`, and editing the configuration."""

import os
import subprocess
import sys

import pexpect
import pytest

from ollamon.cli import shapes
from ollamon.cli.addresses import proxy_url
from ollamon.cli.completion import command as completion
from ollamon.cli.editing import EDITORS
from ollamon.cli.env import command as env
from ollamon.cli.open import command as open_
from ollamon.cli.session import Session
from ollamon.supervisor.spec import Listen
from tests.cli.test_verbs import answer
from tests.supervisor.harness import free_port, service


def test_commands_have_their_names():
    assert [command.name for command in (env, open_, completion)] == ["env", "open", "completion"]


def test_a_shell_can_read_where_the_proxy_is(invoke, home, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/zsh")
    assert invoke("env")[1] == "export OLLAMA_HOST=http://127.0.0.1:11435\n"
    assert invoke("env", "--shell", "fish")[1] == "set -gx OLLAMA_HOST http://127.0.0.1:11435\n"
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert invoke("env")[1].startswith("set -gx ")
    assert (
        "export OPENAI_BASE_URL=http://127.0.0.1:11435/v1\n"
        in invoke("env", "--all", "--shell", "sh")[1]
    )
    assert answer(invoke("env", "--json")[1], shapes.Env) == {
        "variables": {"OLLAMA_HOST": "http://127.0.0.1:11435"}
    }
    assert proxy_url(Session()) == "http://127.0.0.1:11435"


def test_what_runs_says_where_the_proxy_is(running, invoke):
    running(service("proxy", address="http://127.0.0.1:7  metrics :8"))
    assert invoke("env", "--shell", "sh")[1] == "export OLLAMA_HOST=http://127.0.0.1:7\n"


@pytest.fixture
def browser(home, monkeypatch):
    """A browser that writes down what it is asked."""
    program = home / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" >>{home}/opened\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(program))
    monkeypatch.delitem(sys.modules, "webbrowser", raising=False)
    return home / "opened"


def test_the_page_is_opened(running, invoke, browser):
    listens = tuple(
        Listen(name, "127.0.0.1", free_port(), name) for name in ("listen", "metrics_listen")
    )
    running(
        service("proxy", address="http://127.0.0.1:7  metrics :8", listens=listens),
        service("dashboard", address="http://127.0.0.1:3001"),
    )
    assert invoke("open")[:2] == (0, "Opened http://127.0.0.1:3001\n")
    metrics = f"http://127.0.0.1:{listens[1].port}/metrics"
    assert answer(invoke("open", "metrics", "--json")[1], shapes.Open) == {"url": metrics}
    assert browser.read_text().splitlines() == ["http://127.0.0.1:3001", metrics]
    code, _, err = invoke("open", "prometheus")
    assert (code, err) == (1, "error: no prometheus runs in this stack\n")


def test_without_a_browser_the_address_is_said(running, invoke, monkeypatch):
    running(service("dashboard", address="http://127.0.0.1:3001"))
    monkeypatch.delitem(sys.modules, "webbrowser", raising=False)
    monkeypatch.setenv("BROWSER", "/nowhere/browser")
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, err = invoke("open")
    assert code == 1
    assert "cannot find a browser here. Open http://127.0.0.1:3001" in err


def completed(home, line: str) -> list[str]:
    """What bash offers behind a line."""
    words = line.split(" ")
    script = (
        f'eval "$({sys.executable} -m ollamon.cli completion bash)"\n'
        f'ollamon() {{ {sys.executable} -m ollamon.cli "$@"; }}\n'
        f"COMP_WORDS=({' '.join(words)}) COMP_CWORD={len(words) - 1}\n"
        "_ollamon_completion ollamon\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script.replace("$1", "$1")],
        env={
            **{name: text for name, text in os.environ.items() if name.startswith("OLLAMON_")},
            **{"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"},
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def on_path(home):
    program = home / "bin" / "ollamon"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ollamon.cli "$@"\n')
    program.chmod(0o755)


def test_bash_completes_commands_options_and_children(running, home, on_path):
    running(service("proxy"), service("prometheus"))
    assert completed(home, "ollamon sta") == ["start", "status"]
    assert completed(home, "ollamon restart pro") == ["proxy", "prometheus"]
    assert "--follow" in completed(home, "ollamon logs --fo")


@pytest.mark.parametrize(("shell", "word"), [("zsh", "#compdef ollamon"), ("fish", "complete")])
def test_other_shells_get_their_own(invoke, shell, word):
    assert word in invoke("completion", shell)[1]
    assert answer(invoke("completion", shell, "--json")[1], shapes.Completion)["shell"] == shell


@pytest.fixture
def editor(home, monkeypatch):
    """An editor that is a line of sed."""

    def use(change: str) -> None:
        program = home / "my editor"
        program.write_text(f"#!/bin/sh\nexec sed -i '{change}' \"$1\"\n")
        program.chmod(0o755)
        monkeypatch.setenv("EDITOR", f"'{program}'")

    return use


def test_the_file_is_edited_and_made_when_there_is_none(invoke, home, editor):
    editor("s/^# keep = 3/keep = 5/")
    code, out, _ = invoke("config", "edit")
    assert (code, out) == (0, "~/.config/ollamon/ollamon.toml is changed.\n")
    path = home / ".config/ollamon/ollamon.toml"
    assert "keep = 5" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    document = answer(invoke("config", "edit", "--json")[1], shapes.ConfigEdit)
    assert document == {"file": str(path), "is_changed": False}
    assert "keep = 5" in invoke("config", "show")[1]


def test_what_is_wrong_is_not_kept(invoke, home, editor):
    path = home / "ollamon.toml"
    path.write_text("[log]\nkeep = 3\n")
    path.chmod(0o640)
    editor("s/keep = 3/kep = 3/")
    code, _, err = invoke("config", "edit")
    assert code == 78
    assert err.startswith("error: ~/ollamon.toml:2:1: log.kep: unknown key, did you mean keep?")
    assert path.read_text() == "[log]\nkeep = 3\n"
    editor("s/keep = 3/keep = 4/")
    assert invoke("config", "edit")[0] == 0
    assert path.read_text() == "[log]\nkeep = 4\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_person_is_asked_to_edit_again(home, editor, monkeypatch):
    (home / "ollamon.toml").write_text("[log]\nkeep = 3\n")
    editor("s/kep = 3/keep = 6/; s/keep = 3/kep = 3/")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "EDITOR": os.environ["EDITOR"]}
    spawned = pexpect.spawn(
        sys.executable,
        ["-m", "ollamon.cli", "config", "edit"],
        cwd=str(home),
        env=environment,
        encoding="utf-8",
        timeout=30,
    )
    spawned.expect(r"log\.kep: unknown key")
    spawned.expect(r"Edit again\?")
    spawned.sendline("y")
    spawned.expect("~/ollamon.toml is changed.")
    spawned.close()
    assert (home / "ollamon.toml").read_text() == "[log]\nkeep = 6\n"


@pytest.mark.parametrize(
    ("editor_words", "code", "words"),
    [("/nowhere/vi", 7, "cannot run /nowhere/vi"), ("false", 1, "nothing was changed")],
)
def test_an_editor_that_fails_changes_nothing(invoke, monkeypatch, editor_words, code, words):
    monkeypatch.setenv("EDITOR", editor_words)
    done = invoke("config", "edit")
    assert done[0] == code
    assert words in done[2]


def test_without_an_editor_it_says_what_to_set(invoke, monkeypatch):
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert EDITORS
    assert invoke("config", "edit")[2] == "error: no editor found; set EDITOR to yours\n"


def test_the_schema_is_printed(invoke):
    document = answer(invoke("config", "schema", "--json")[1], shapes.ConfigSchema)
    assert document["schema"]["title"] == "ollamon.toml"
    assert '"title": "ollamon.toml"' in invoke("config", "schema")[1]
    assert invoke("config", "validate", "/nowhere.toml")[2].startswith(
        "error: cannot read /nowhere.toml: no such file"
    )
