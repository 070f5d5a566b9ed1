"""`ollamon up -d`, and the commands for what runs in the background."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ollamon.cli.background import LOG_NAME, OwnLog, Reporter
from ollamon.cli.running import await_other, find, require_same
from ollamon.errors import AlreadyRunningError
from ollamon.supervisor.messages import Event, StackState
from ollamon.supervisor.spec import LogSpec, StackSpec
from tests.cli.conftest import change
from tests.cli.test_table import STATUS
from tests.system.stack import Stack, eventually, fetch


def broken_prometheus(stack: Stack, script: str) -> None:
    path = stack.home / "prometheus"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    change(stack, 'mode = "embedded"', f'mode = "managed"\nbinary = "{path}"')


@pytest.mark.fault(1)
def test_a_day_in_the_background(stack):
    said = stack.up()
    assert "All ready in " in said
    assert "Stop it with: ollamon down" in said
    status = stack.status()
    pid = status["supervisor"]["pid"]
    assert (status["ok"], status["state"]) == (True, "ready")
    assert os.getsid(pid) == pid
    if sys.platform == "linux":
        # What reads the configuration is as large as all the rest.
        assert "pydantic" not in Path(f"/proc/{pid}/maps").read_text()
    assert fetch(stack.url("metrics", "/healthz"))

    again = stack.run("up", "-d")
    assert again == f"default is already running, pid {pid}, with this configuration.\n"
    stack.run("up", "--with-helper", code=4)
    assert "with another configuration" in stack.last_error
    assert json.loads(stack.run("up", "--demo", "--json", code=4))["error"]["kind"] == (
        "already_running"
    )

    first = stack.children()["dashboard"]["pid"]
    assert " ✓ dashboard    ready" in stack.run("restart", "dashboard")
    assert stack.children()["dashboard"]["pid"] != first
    stack.run("restart", "nobody", code=2)
    assert "there is proxy, dashboard" in stack.last_error

    (seen, *_) = eventually(lambda: stack.status()["outside"], "the proxy has looked")
    assert (seen["name"], seen["state"]) == ("ollama", "external-down")
    table = stack.run("status")
    assert table.splitlines()[0].startswith("default   up ")
    assert "ollama     external-down" in table
    assert "dashboard  │ " in stack.run("logs", "dashboard", "-n", "5")
    assert "held by this stack" in stack.run("doctor", code=None)

    said = stack.run("down")
    assert said.index("dashboard") < said.index("proxy")
    assert "All stopped in " in said
    stack.assert_gone()
    assert stack.run("down") == "default is not running; nothing to stop.\n"
    stack.run("status", code=3)
    assert stack.last_error == "error: default is not running.\n"
    assert "dashboard  │ " in stack.run("logs", "dashboard")
    stack.run("restart", code=3)


def test_json_is_one_object_everywhere(stack):
    for words, code in ((["status"], 3), (["up", "-d"], 0), (["status"], 0), (["down"], 0)):
        document = json.loads(stack.run(*words, "--json", code=code))
        assert document["v"] == 1
        assert document["ok"] is (code == 0)
    assert (document["was_running"], document["name"]) == (True, "default")
    assert json.loads(stack.run("down", "--json"))["was_running"] is False


def test_a_child_that_fails_ends_the_start_with_its_last_lines(stack):
    broken_prometheus(stack, "echo 'cannot open storage' >&2; exit 2")
    stack.run("up", "-d", code=1)
    assert "error: not all ready: prometheus is failed" in stack.last_error
    assert "         cannot open storage" in stack.last_error
    assert "Everything was stopped again." in stack.last_error
    stack.assert_gone()


@pytest.mark.fault(11)
def test_a_start_that_succeeds_at_the_second_try_is_none_that_failed(stack):
    tried = stack.home / "tried"
    real = shutil.which("prometheus")
    broken_prometheus(stack, f'[ -e {tried} ] && exec {real} "$@"; touch {tried}; exit 1')
    assert "All ready in " in stack.up()
    assert stack.children()["prometheus"]["restarts"] == 1


@pytest.mark.fault(10)
def test_a_child_that_is_late_ends_the_start(stack):
    broken_prometheus(stack, "exec sleep 600")
    stack.run("up", "-d", "--timeout", "3s", code=1)
    assert "not all ready within 3 s: prometheus is starting" in stack.last_error
    stack.assert_gone()


def test_without_waiting_the_rest_goes_on(stack):
    broken_prometheus(stack, "exec sleep 600")
    assert "Started in the background." in stack.run("up", "-d", "--no-wait", "--timeout", "1s")
    eventually(lambda: stack.children()["proxy"]["state"] == "ready", "the proxy is ready")
    status = json.loads(stack.run("status", "--json", code=5))
    assert status["state"] == "starting"


def test_a_taken_port_is_told_by_whoever_waits(stack):
    with socket.create_server(("127.0.0.1", stack.ports["proxy"])):
        document = json.loads(stack.run("up", "-d", "--json", code=6))
    assert document["error"]["kind"] == "port_in_use"
    assert "error: " in stack.last_error
    stack.assert_gone()


def test_ctrl_c_while_waiting_stops_what_was_started(stack):
    broken_prometheus(stack, "exec sleep 600")
    process = subprocess.Popen(
        stack.command("up", "-d"),
        env=stack.environment,
        cwd=stack.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        eventually(lambda: stack.run("status", code=None), "it runs")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    stack.assert_gone()


def test_a_supervisor_that_dies_young_is_told_with_its_log(stack):
    stack.environment["OLLAMON_PATHS__LOGS"] = str(stack.home / "l")
    process = subprocess.Popen(
        stack.command("up", "-d"),
        env=stack.environment,
        cwd=stack.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        child = eventually(lambda: psutil.Process(process.pid).children(), "the supervisor")[0]
        with (stack.home / "l" / LOG_NAME).open("a") as log:
            log.write("its last words\n")
        child.kill()
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the supervisor ended before the stack was ready" in error
    assert "its last words" in error


@pytest.mark.fault(30)
def test_two_at_the_same_instant_make_one_stack(stack):
    commands = [
        subprocess.Popen(
            stack.command("up", "-d"),
            env=stack.environment,
            cwd=stack.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ended = [(*process.communicate(timeout=90), process.returncode) for process in commands]
    assert [code for _, _, code in ended] == [0, 0, 0], ended
    assert sum("All ready in" in out for out, _, _ in ended) == 1
    assert sum("is already running, pid" in out for out, _, _ in ended) == 2


def test_down_after_a_killed_supervisor_leaves_nothing(stack):
    stack.up()
    os.kill(stack.status()["supervisor"]["pid"], signal.SIGKILL)
    stack.run("down")
    stack.assert_gone()
    runtime = stack.home / ".local/state/ollamon/default/run"
    assert not (runtime / "run.json").exists()


@pytest.mark.fault(27)
def test_leftovers_are_named_and_removed(stack):
    """A child of a dead run that nothing has ended yet."""
    stack.up()
    status = stack.status()
    supervisor = psutil.Process(status["supervisor"]["pid"])
    run_file = stack.home / ".local/state/ollamon/default/run/run.json"
    text = run_file.read_text()
    with subprocess.Popen(
        ["sleep", "600"], env=stack.environment | {"OLLAMON_RUN_ID": status["run_id"]}
    ) as orphan:
        supervisor.kill()
        stack_gone_but = {"sleep 600"}
        eventually(lambda: set(stack.left_over()) <= stack_gone_but, "only the orphan is left")
        assert run_file.read_text() == text
        stack.run("status", code=3)
        assert f"sleep pid {orphan.pid}" in stack.last_error
        said = stack.run("down")
        assert f"Removed what a dead run had left: sleep pid {orphan.pid}" in said
        assert orphan.wait(30) != 0


def spec(runtime: Path, digest: str = "d") -> StackSpec:
    log = LogSpec(runtime / "logs", 1, 1)
    return StackSpec("default", (), runtime, runtime, log, config_digest=digest)


def test_nothing_runs_in_a_new_folder(home, monkeypatch):
    assert find(home) is None
    monkeypatch.setattr("ollamon.cli.running.PATIENCE_S", 0.1)
    assert await_other(home) is None


def test_only_the_same_configuration_is_the_same(home):
    assert "with this configuration" in require_same(STATUS, spec(home, "d"))
    with pytest.raises(AlreadyRunningError, match=r"another configuration \(~/ollamon.toml\)"):
        require_same(STATUS, spec(home, "e"))


@pytest.mark.parametrize("state", [StackState.DEGRADED, StackState.FAILED])
def test_a_supervisor_goes_on_when_whoever_waited_has_gone(state):
    read_end, write_end = os.pipe()
    reporter = Reporter(write_end, is_awaited=True)
    os.close(read_end)
    assert reporter.conclude(Event(time.time(), 1.0, "", state), STATUS)


def test_a_supervisor_stops_when_somebody_waits_for_a_whole_stack():
    read_end, write_end = os.pipe()
    reporter = Reporter(write_end, is_awaited=True)
    assert not reporter.conclude(Event(time.time(), 1.0, "", StackState.DEGRADED), STATUS)
    reporter.close()
    with os.fdopen(read_end) as lines:
        document = json.loads(lines.read())
    assert document["verdict"]["state"] == "degraded"
    assert document["status"]["run_id"] == "7f3a91c2"


def test_a_child_that_has_written_nothing_yet_is_no_mistake(stack):
    stack.up()
    for name in stack.children():
        stack.run("logs", name)
    stack.run("logs", "nobody", code=2)


def test_a_named_stack_says_how_it_is_stopped(stack):
    said = stack.run("--name", "second", "up", "-d")
    assert "Stop it with: ollamon --name second down\n" in said
    stack.run("--name", "second", "down")
    stack.assert_gone()


@pytest.mark.parametrize("after", ["at once", "while it starts"])
def test_ctrl_c_while_it_starts_leaves_nothing(stack, after):
    with subprocess.Popen(
        stack.command("up", "-d"), env=stack.environment, cwd=stack.home, stdout=subprocess.PIPE
    ) as process:
        supervisor = eventually(lambda: supervisor_of(process.pid), "the supervisor is born")
        if after == "while it starts":
            eventually(lambda: list(stack.home.rglob("ctl.sock")), "it listens")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert not psutil.pid_exists(supervisor)
    stack.assert_gone()


def supervisor_of(pid: int) -> int | None:
    children = psutil.Process(pid).children()
    return next((child.pid for child in children if "--report-fd" in child.cmdline()), None)


def test_the_supervisors_own_log_is_rotated_as_the_others_are(tmp_path):
    log = LogSpec(tmp_path, 200, 2)
    path = tmp_path / LOG_NAME
    own = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    errors = os.dup(own)
    told = OwnLog(log, (own, errors))
    for number in range(10):
        told.write(Event(1.5, 0.0, "proxy", "ready", f"for the {number}th time"))
    os.write(errors, b"Traceback\n")
    os.close(own)
    os.close(errors)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        *(LOG_NAME, f"{LOG_NAME}.1", f"{LOG_NAME}.2")
    ]
    first, *_, last = path.read_text().splitlines()
    assert first == "1970-01-01T00:00:01.500+00:00 proxy ready for the 8th time"
    assert last == "Traceback"


def test_a_log_that_is_another_file_is_left_alone(tmp_path):
    other = tmp_path / "other"
    own = os.open(other, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    (tmp_path / LOG_NAME).touch()
    told = OwnLog(LogSpec(tmp_path, 10, 2), (own,))
    told.write(Event(0.0, 0.0, "", "ready"))
    told.write(Event(0.0, 0.0, "", "stopping"))
    os.close(own)
    assert len(other.read_text().splitlines()) == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other", LOG_NAME]
