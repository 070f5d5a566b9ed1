"""The options of `up` and `down`, on a real stack."""

import json
import subprocess

import psutil

from ollamon.cli.wishes import Wishes
from tests.cli.conftest import change
from tests.supervisor.harness import is_alive
from tests.system.stack import Stack, eventually


def supervisor_of(stack: Stack) -> int:
    return stack.status()["supervisor"]["pid"]


def test_a_part_is_replaced_by_the_whole_and_killed(stack):
    stack.run("up", "--only", "nobody", code=2)
    assert "there is no nobody: there is proxy, dashboard" in stack.last_error
    assert "ashboard" not in stack.up("--only", "proxy")
    assert list(stack.children()) == ["proxy"]
    part = supervisor_of(stack)
    assert "with this configuration" in stack.run("up", "-d", "--except", "dashboard")
    stack.run("up", "-d", code=4)

    browser = stack.home / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{stack.home}/opened\n')
    browser.chmod(0o755)
    words = ("up", "-d", "--replace", "--exit-on-failure", "--open", "--json")
    said = json.loads(stack.run(*words, BROWSER=str(browser)))
    assert said["outcome"] == "started"
    assert list(stack.children()) == ["proxy", "dashboard"]
    assert not is_alive(part)
    opened = stack.home / "opened"
    eventually(lambda: opened.exists() and opened.read_text(), "the page is opened")
    assert opened.read_text() == f"{stack.url('dashboard')}\n"

    assert "runs: what a dead run had left is gone" in stack.run("down", "--orphans")
    assert supervisor_of(stack)
    stack.run("down", "--orphans", "--kill", code=2)
    stack.run("down", "--kill", "--timeout", "1s", code=2)
    pids = [child["pid"] for child in stack.children().values()]
    stack.run("down", "--kill")
    assert not any(map(is_alive, pids))
    assert stack.run("down", "--orphans").startswith("default is not running")


def test_a_failed_child_ends_the_background_too(stack):
    path = stack.home / "prometheus"
    path.write_text("#!/bin/sh\nexit 78\n")
    path.chmod(0o755)
    change(stack, 'mode = "embedded"', f'mode = "managed"\nbinary = "{path}"')
    stack.run("up", "-d", "--no-wait", "--exit-on-failure")
    stack.assert_gone()
    assert stack.run("status", code=3) == ""


def test_leftovers_are_not_ended_without_a_word(stack):
    stack.up("--only", "proxy")
    owner, proxy = supervisor_of(stack), stack.children()["proxy"]["pid"]
    (guard,) = [process for process in stack.processes() if process.pid not in (owner, proxy)]
    guard.suspend()
    supervisor = psutil.Process(owner)
    supervisor.kill()
    psutil.wait_procs([supervisor], 10)
    stack.run("up", "-d", "--orphans", "refuse", code=9)
    assert "cannot start beside what a dead run has left" in stack.last_error
    stack.run("up", "-d", "--orphans", "ask", code=9)
    assert "nobody is here to be asked" in stack.last_error
    assert guard.is_running()
    guard.resume()
    psutil.wait_procs([guard], 10)
    stack.up("--only", "proxy", "--orphans", "ask")


def test_the_supervisor_itself_is_restarted_with_its_options(stack):
    stack.run("restart", "--supervisor", code=3)
    stack.up("--only", "proxy")
    before = stack.status()
    stack.run("restart", "--supervisor", "proxy", code=2)
    told = json.loads(stack.run("restart", "--supervisor", "--json"))
    assert [(child["name"], child["state"]) for child in told["children"]] == [("proxy", "ready")]
    after = stack.status()
    assert after["run_id"] != before["run_id"]
    assert not is_alive(before["children"][0]["pid"])
    assert "with this configuration" in stack.run("up", "-d", "--only", "proxy")


def test_a_supervisor_in_a_terminal_stays_in_it(stack, tmp_path):
    with (tmp_path / "said").open("w+") as said:
        process = subprocess.Popen(
            stack.command("up", "--only", "proxy", "--no-logs"),
            env=stack.environment,
            cwd=stack.home,
            stdin=subprocess.DEVNULL,
            stdout=said,
        )
        try:
            eventually(lambda: "All ready" in (tmp_path / "said").read_text(), "it is ready")
            before = stack.status()
            stack.run("restart", "--supervisor")
            after = stack.status()
            assert after["supervisor"]["pid"] == before["supervisor"]["pid"] == process.pid
            assert after["run_id"] != before["run_id"]
        finally:
            process.terminate()
            assert process.wait(30) == 0
    assert (tmp_path / "said").read_text().count("All ready") == 2


def test_the_words_ask_for_the_same_again():
    wishes = Wishes(
        *(90.0, False, "external", True, True),
        *("refuse", ("proxy", "helper"), ("dashboard",), True),
    )
    assert wishes.words() == [
        *("--timeout", "90000ms", "--no-helper", "--ollama", "external", "--orphans", "refuse"),
        *("--only", "proxy,helper", "--except", "dashboard", "--exit-on-failure", "--takeover"),
        "--demo",
    ]
    assert Wishes().words() == []
    assert wishes.options()["supervisor.orphans"] == "refuse"
