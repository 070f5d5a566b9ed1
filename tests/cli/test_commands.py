"""Commands where no stack runs."""

import json

import pytest

from ollamon.cli.down import command as down
from ollamon.cli.restart import command as restart
from ollamon.cli.status import command as status
from ollamon.cli.up import Wishes, with_engine
from ollamon.cli.up import command as up
from ollamon.cli.version import command as version


def test_commands_have_their_names():
    names = [command.name for command in (up, down, status, restart, version)]
    assert names == ["up", "down", "status", "restart", "version"]


@pytest.mark.parametrize("words", [["status"], ["restart"], ["logs"], ["logs", "proxy", "-f"]])
def test_nothing_runs_is_three(invoke, words):
    code, out, err = invoke(*words)
    assert (code, out) == (3, "")
    assert err.startswith("error: default is not running")
    code, out, _ = invoke("--name", "second", *words, "--json")
    document = json.loads(out)
    assert (code, document["code"], document["error"]["kind"]) == (3, 3, "not_running")
    assert document["error"]["message"].startswith("second is not running")


def test_down_is_content_when_nothing_runs(invoke):
    assert invoke("down") == (0, "default is not running; nothing to stop.\n", "")


def test_down_works_although_the_file_was_broken_in_the_meantime(invoke, home):
    (home / "ollamon.toml").write_text("[proxy]\nlisen = 1\n")
    assert invoke("down")[0] == 0


@pytest.mark.parametrize("text", ["5", "0s", "soon"])
def test_a_limit_has_a_unit(invoke, text):
    code, _, err = invoke("down", "--timeout", text)
    assert code == 2
    assert "Invalid value for '--timeout'" in err


def test_a_rehearsal_starts_nothing(invoke, home):
    from tests.system.stack import free_ports

    ports = dict(zip(("listen", "metrics_listen"), free_ports(2), strict=True))
    (home / "ollamon.toml").write_text(
        '[prometheus]\nmode = "embedded"\n[proxy]\n'
        + "".join(f'{key} = "127.0.0.1:{port}"\n' for key, port in ports.items())
        + f'[dashboard]\nlisten = "127.0.0.1:{free_ports(1)[0]}"\n'
    )
    code, out, _ = invoke("up", "--dry-run")
    assert code == 0
    assert "dashboard  after proxy\n" in out
    assert "-m ollamon.proxy\n" in out
    assert out.endswith("Nothing was started.\n")
    document = json.loads(invoke("up", "--dry-run", "--json")[1])
    assert [service["name"] for service in document["services"]] == ["proxy", "dashboard"]
    assert [path.name for path in home.iterdir()] == ["ollamon.toml"]


def test_a_required_program_that_is_missing_is_seven(invoke, home):
    (home / "ollamon.toml").write_text('[prometheus]\nmode = "managed"\nbinary = "none"\n')
    code, _, err = invoke("up")
    assert code == 7
    assert err.startswith('error: none not found, and prometheus.mode is "managed"\n       Either')


BY = "(user prometheus, since 3 days)\n       Either  stop it: kill 7"


def test_a_prometheus_that_has_our_port_can_be_used():
    taken = f"127.0.0.1:9090 is in use, wanted by prometheus\n       pid 7  prometheus  {BY}"
    other = f"127.0.0.1:3001 is in use, wanted by dashboard\n       pid 8  node  {BY}"
    hint = (
        '       or      set [prometheus] mode = "external", url = "http://x:1"      (use that one)'
    )
    assert with_engine(taken, "http://x:1") == f"{taken}\n{hint}"
    assert with_engine(f"{taken}\n{other}", "http://x:1") == f"{taken}\n{hint}\n{other}"
    assert with_engine(f"{other}\n{taken}", "http://x:1") == f"{other}\n{taken}\n{hint}"
    assert with_engine(other, "http://x:1") == other
    assert with_engine(taken.replace("  prometheus", "  caddy"), "x") == taken.replace(
        "  prometheus", "  caddy"
    )


def test_takeover_and_who_runs_ollama_cannot_both_be_chosen(invoke):
    for words in (("--demo",), ("--ollama", "external")):
        code, _, error = invoke("up", "--takeover", *words)
        assert code == 2
        assert "--takeover runs an Ollama of ours" in error


def test_the_supervisor_in_the_background_gets_the_same_wishes():
    every = Wishes(1.5, False, "managed", True, True)
    assert every.words() == [
        *("--timeout", "1500ms", "--no-helper", "--ollama", "managed", "--takeover", "--demo")
    ]
    assert every.options() == {
        "helper.mode": "off",
        "ollama.mode": "managed",
        "demo.enabled": True,
    }
    assert (Wishes().words(), Wishes().options()) == ([], {})
