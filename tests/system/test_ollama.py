"""An Ollama of ours behind the proxy: a real executable of that name, real processes."""

import json
import os
import signal
import socket
import subprocess
import tarfile
import urllib.request

import psutil
import pytest

from tests.fakes import llama, ollama
from tests.system.conftest import chat
from tests.system.stack import OPENER, Stack, eventually, fetch, free_ports

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def place() -> int:
    """The port where clients look for Ollama."""
    return free_ports(1)[0]


@pytest.fixture
def stack(new_stack, tmp_path, place) -> Stack:
    made = new_stack(f"http://127.0.0.1:{place}", '[dashboard]\ninterval = "1s"\n')
    made.ports |= {"ollama": place, "moved": free_ports(1)[0]}
    text = made.config.read_text().replace("[prometheus]", '[prometheus]\nmode = "embedded"')
    text = text.replace('            mode = "external"\n', "", 1)
    text = text.replace("[ollama]", f'[ollama]\ntakeover_url = "{made.url("moved")}"')
    made.config.write_text(text.replace('[dashboard]\ninterval = "1s"\n', "", 1))
    made.environment["PATH"] = f"{ollama.install(tmp_path / 'bin')}:{made.environment['PATH']}"
    return made


def serving(stack: Stack) -> dict:
    return stack.children()["ollama"]


def runners(stack: Stack) -> list[int]:
    return [each.pid for each in psutil.Process(serving(stack)["pid"]).children(recursive=True)]


def test_where_nothing_answers_an_ollama_of_ours_is_started_and_kept(stack):
    said = stack.up()
    ours = serving(stack)
    assert f"ollama       ready  pid {ours['pid']}" in said
    assert (ours["state"], ours["ports"]) == ("ready", [stack.ports["ollama"]])
    assert "external" not in said
    assert json.loads(fetch(stack.url("proxy", "/api/version"))) == {"version": "0.33.0-snap"}
    eventually(lambda: stack.total("ollama_up") == 1, "the proxy has found it")
    # The same again is the same: what runs is ours, and not somebody else's that is adopted.
    assert "already running" in stack.run("up", "-d")
    assert " ✓ ollama       unchanged" in stack.run("reload")
    assert serving(stack)["pid"] == ours["pid"]
    os.kill(ours["pid"], signal.SIGKILL)
    eventually(lambda: serving(stack)["pid"] not in (None, ours["pid"]), "another one")
    eventually(lambda: serving(stack)["state"] == "ready", "ready again")
    stack.run("down")
    stack.assert_gone()
    order = [
        json.loads(line)["child"]
        for line in next(stack.home.rglob("events.jsonl")).read_text().splitlines()
        if json.loads(line)["state"] == "stopped"
    ]
    assert order.index("proxy") < order.index("ollama")


def test_an_ollama_that_answers_is_left_alone(stack, place):
    environment = stack.environment | {"OLLAMA_HOST": f"127.0.0.1:{place}"}
    with subprocess.Popen(["ollama", "serve"], env=environment, cwd=stack.home) as theirs:
        eventually(lambda: fetch(stack.url("ollama", "/api/version")), "it answers")
        assert "external, 0.33.0-snap" in stack.up()
        assert "ollama" not in stack.children()
        stack.run("down")
        assert theirs.poll() is None
        refused = stack.run("up", "-d", "--ollama", "managed", code=6)
        assert refused == "" or "Nothing" not in refused
        assert f"127.0.0.1:{place} is in use, wanted by ollama" in stack.last_error
        assert 'set [ollama] mode = "external"      (use that one)' in stack.last_error
        stack.run("up", "-d", "--takeover", code=6)
        assert f"127.0.0.1:{place} is in use, wanted by proxy" in stack.last_error
        assert f"Either  kill {theirs.pid}, and this again" in stack.last_error
        theirs.terminate()
        theirs.wait(10)


def test_takeover_with_a_real_model_changes_nothing_for_clients(stack, tmp_path):
    model = llama.make_model(tmp_path)
    variables = f'{{ FAKE_LLAMA = "{model}", API_TOKEN = "hush" }}'
    stack.config.write_text(
        stack.config.read_text().replace("[ollama]", f"[ollama]\nenv = {variables}")
    )
    rehearsed = stack.run("up", "--takeover", "--dry-run")
    assert f"OLLAMA_HOST={stack.listen('moved')}" in rehearsed
    assert "API_TOKEN=*** " in rehearsed
    stack.up("--takeover")
    assert serving(stack)["ports"] == [stack.ports["moved"]]
    assert stack.children()["proxy"]["ports"][0] == stack.ports["ollama"]
    # The address that clients have always had.
    assert chat(stack.url("ollama")).split()
    eventually(
        lambda: stack.total("ollama_proxy_generated_tokens_total") == llama.ANSWER_TOKENS,
        "the real tokens are counted",
    )
    findings = json.loads(stack.run("doctor", "--json"))["findings"]
    assert [each["evidence"] for each in findings if each["check"] == "config"] == [
        "~/ollamon.toml"
    ]
    stack.run("down")
    stack.assert_gone()


def is_gone(pid: int) -> bool:
    """Say whether a process ended; how soon an orphan is reaped is the system's business."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_stubborn_runners_do_not_outlive_a_supervisor_that_was_killed(stack):
    stack.environment["FAKE_STUBBORN"] = "1"
    stack.up()
    run = stack.status()
    (runner,) = runners(stack)
    os.kill(run["supervisor"]["pid"], signal.SIGKILL)
    # The guard asks for five seconds, and then insists.
    eventually(lambda: is_gone(runner), "no runner is left", 12)
    stack.assert_gone(12)
    assert serving_after(stack) == "ready"


def serving_after(stack: Stack) -> str:
    stack.up()
    state = serving(stack)["state"]
    (runner,) = runners(stack)
    stack.run("down")
    # It ignores SIGTERM, and its leader is gone: the group had its SIGKILL.
    assert is_gone(runner)
    return state


CANARIES = {
    "prompt": "the-heron-counts-eleven",
    "header": "sk-quetzal-0123456789",
    "variable": "wombat-in-the-config",
    "shell": "axolotl-in-the-shell",
    "user": "kakapo",
}


def test_a_bundle_holds_what_helps_and_nothing_that_is_private(stack, tmp_path):
    stack.environment |= {
        "FAKE_LOUD": "1",
        "LOGNAME": CANARIES["user"],
        "HF_TOKEN": CANARIES["shell"],
        "OLLAMA_API_KEY": CANARIES["shell"],
    }
    env = f'env = {{ API_TOKEN = "{CANARIES["variable"]}" }}\n'
    stack.config.write_text(stack.config.read_text().replace("[ollama]", f"[ollama]\n{env}"))
    stack.up("--with-helper")
    body = {"model": "tiny", "messages": [{"role": "user", "content": CANARIES["prompt"]}]}
    headers = {"Authorization": f"Bearer {CANARIES['header']}"}
    request = urllib.request.Request(
        stack.url("proxy", "/api/chat"), json.dumps(body).encode(), headers
    )
    with OPENER.open(request, timeout=30) as answer:
        assert b'"done":true' in answer.read()
    eventually(lambda: stack.total("ollama_proxy_requests_total") == 1, "it is counted")
    # It is on this machine, and not in the bundle.
    assert any(CANARIES["prompt"] in log.read_text() for log in stack.home.rglob("ollama.log"))
    path = tmp_path / "bundle.tar.gz"
    findings = stack.run("doctor", "--bundle", str(path))
    assert "requests are written into its log" not in findings
    with tarfile.open(path) as archive:
        names = archive.getnames()
        text = {name: archive.extractfile(name).read().decode() for name in names}
    found = {
        (name, word)
        for name, said in text.items()
        for word in (*CANARIES.values(), str(stack.home), socket.gethostname())
        if word in said
    }
    assert found == set()
    assert "ollama_proxy_requests_total{" in text["ollamon/metrics.txt"]
    assert '"sources"' in text["ollamon/helper.json"]
    assert 'env = { "API_TOKEN" = "***" }' in text["ollamon/config.toml"]
    variables = json.loads(text["ollamon/versions.json"])["variables"]
    assert variables == {"OLLAMA_API_KEY": "***", "OLLAMON_CONFIG": "~/ollamon.toml"}
    for name in ("status.json", "run.json", "doctor.json", "events.jsonl", "versions.json"):
        assert len(text[f"ollamon/{name}"]) > 100
    stack.run("down")
