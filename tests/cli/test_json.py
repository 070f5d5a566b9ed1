"""Every command prints one object with `--json`, in its shape; `conftest.shapes_hold` checks it."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ollamon.cli.root import root
from ollamon.cli.shapes import SHAPES, Failure
from tests.cli.shape import misfits
from tests.supervisor.harness import service
from tests.system.stack import free_ports

HERE = Path(__file__).parent
# How a command says what it has to say, beside a stack that runs.
WAYS = {
    "up": ["up", "--dry-run", "--name", "other"],
    "start": ["start", "dashboard"],
    "stop": ["stop", "dashboard"],
    "restart": ["restart", "dashboard"],
    "status": ["status"],
    "wait": ["wait", "proxy"],
    "logs": ["logs"],
    "events": ["events"],
    "doctor": ["doctor", "--offline", "--only", "config"],
    "config init": ["config", "init", "new.toml"],
    "config check": ["config", "check"],
    "config validate": ["config", "validate"],
    "config schema": ["config", "schema"],
    "config edit": ["config", "edit"],
    "config show": ["config", "show", "--origin"],
    "config path": ["config", "path"],
    "env": ["env"],
    "open": ["open"],
    "completion": ["completion", "fish"],
    "service print": ["service", "print"],
    "service install": ["service", "install"],
    "service uninstall": ["service", "uninstall"],
    "export": ["export", "alerts"],
    "version": ["version"],
    "down": ["down"],
}
# What needs more than fakes, or must not be done to a machine: said in tests of their own.
ELSEWHERE = {
    "reload": "test_reload.py",
    "requests": "test_requests.py",
    "run": "test_run.py",
    "top": "top/test_app.py",
    "helper install": "test_helper.py",
    "helper uninstall": "test_helper.py",
    "helper status": "test_helper.py",
    "helper sudoers": "test_helper.py",
}


def leaves(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[str]:
    with click.Context(group) as context:
        for word in group.list_commands(context):
            command = group.get_command(context, word)
            if isinstance(command, click.Group):
                yield from leaves(command, (*words, word))
            else:
                yield " ".join((*words, word))


def test_every_command_has_a_shape_and_is_asked():
    commands = list(leaves(root))
    assert sorted(SHAPES) == sorted(commands)
    assert sorted([*WAYS, *ELSEWHERE]) == sorted(commands)
    for command, file in ELSEWHERE.items():
        text = (HERE / file).read_text()
        assert "json" in text, file
        assert f'"{command.split()[-1]}"' in text, command


@pytest.mark.parametrize("command", sorted(SHAPES))
def test_wrong_arguments_are_one_object(invoke, command):
    code, out, err = invoke(*command.split(), "--nope", "--json")
    assert (code, err) == (2, "")
    document = json.loads(out)
    assert [document.pop(key) for key in ("v", "ok", "code")] == [1, False, 2]
    assert misfits(Failure, document) == []
    assert document["error"]["kind"] == "usage"


@pytest.mark.parametrize("command", sorted({command.split()[0] for command in SHAPES}))
def test_common_options_may_stand_before_and_behind(invoke, home, command):
    """A file that cannot be read is found out only when the option has arrived."""
    (home / "bad.toml").write_text("[proxy\n")
    words = {"config": ["config", "check"], "helper": ["helper", "sudoers"]}.get(command, [command])
    words = {"service": ["service", "print"], "run": ["run", "proxy"]}.get(command, words)
    words = {"export": ["export", "alerts"]}.get(command, words)
    if command in ("completion", "version"):
        assert invoke("-c", "bad.toml", *words)[0] == invoke(*words, "-c", "bad.toml")[0] == 0
        return
    before, behind = invoke("-c", "bad.toml", *words), invoke(*words, "-c", "bad.toml")
    assert before == behind
    assert before[0] == 78 or command == "doctor"
    assert "bad.toml:1" in before[1] + before[2]


def test_every_command_prints_one_object(running, invoke, home, monkeypatch):
    ports = free_ports(4)
    (home / "ollamon.toml").write_text(
        '[prometheus]\nmode = "embedded"\n'
        f'[proxy]\nlisten = "127.0.0.1:{ports[0]}"\nmetrics_listen = "127.0.0.1:{ports[1]}"\n'
        f'[dashboard]\nlisten = "127.0.0.1:{ports[2]}"\n'
        f'[ollama]\nmode = "external"\nurl = "http://127.0.0.1:{ports[3]}"\n'
    )
    for name in ("systemctl", "browser"):
        (home / name).write_text("#!/bin/sh\n")
        (home / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")
    monkeypatch.setenv("BROWSER", str(home / "browser"))
    monkeypatch.setenv("EDITOR", "true")
    running(service("proxy"), service("dashboard", address="http://127.0.0.1:3001"))
    for command, words in WAYS.items():
        code, out, err = invoke(*words, "--json")
        assert code == 0, (command, err)
        document = json.loads(out)
        assert (document["v"], document["ok"], document["code"]) == (1, True, 0), command
        assert "error" not in document, command
