"""What happens when parts are killed, and what a stop leaves behind."""

import json
import os
import signal

import pexpect
import pytest

from tests.system.conftest import chat
from tests.system.stack import Stack, eventually, fetch

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

CHILDREN = ("proxy", "helper", "prometheus", "dashboard")
ANSWERS = {
    "proxy": ("metrics", "/healthz"),
    "helper": ("helper", "/metrics"),
    "prometheus": ("prometheus", "/-/ready"),
    "dashboard": ("dashboard", "/healthz"),
}


@pytest.fixture
def stack(new_stack, llama_server) -> Stack:
    return new_stack(llama_server)


@pytest.mark.parametrize("name", CHILDREN)
@pytest.mark.fault(2)
def test_a_killed_child_serves_again_and_the_others_go_on(name, stack):
    stack.up("--with-helper")
    before = stack.children()
    assert set(before) == set(CHILDREN)
    os.kill(before[name]["pid"], signal.SIGKILL)

    def replaced() -> dict | None:
        after = stack.children()
        child = after[name]
        is_new = child["state"] == "ready" and child["pid"] != before[name]["pid"]
        return after if is_new else None

    after = eventually(replaced, f"{name} ready again")
    port, path = ANSWERS[name]
    fetch(stack.url(port, path))
    assert after[name]["restarts"] == 1
    assert after[name]["last_exit"] == "signal 9"
    others = [other for other in CHILDREN if other != name]
    assert [after[other]["pid"] for other in others] == [before[other]["pid"] for other in others]
    assert "The sky is blue" in chat(stack.url("proxy"))
    wanted = {each: (1.0, float(each == name)) for each in CHILDREN}
    eventually(lambda: told_of_components(stack) == wanted, "metrics tell the same")


def told_of_components(stack: Stack) -> dict[str, tuple[float | None, ...]]:
    """What /metrics says of each child: whether it is up, and its restarts."""
    families = ("ollamon_component_up", "ollamon_component_restarts_total")
    return {
        each: tuple(stack.total(family, component=each) for family in families) for each in CHILDREN
    }


def test_a_killed_supervisor_leaves_nothing_behind(stack):
    stack.up("--with-helper")
    os.kill(stack.status()["supervisor"]["pid"], signal.SIGKILL)
    stack.assert_gone(patience_s=20)
    stack.run("status", code=3)
    stack.up()
    assert "The sky is blue" in chat(stack.url("proxy"))


def test_a_second_up_is_told_that_one_runs(stack):
    stack.up()
    pid = stack.status()["supervisor"]["pid"]
    stack.run("up", "-d")
    assert stack.status()["supervisor"]["pid"] == pid
    stack.run("up", "-d", "--with-helper", code=4)


def test_down_when_nothing_runs_is_no_error(stack):
    stack.run("down")
    stack.run("status", code=3)


def test_ctrl_c_in_a_terminal_stops_everything_in_order(stack):
    command, *arguments = stack.command("up")
    terminal = pexpect.spawn(
        command,
        arguments,
        env=stack.environment | {"TERM": "xterm"},
        cwd=str(stack.home),
        dimensions=(40, 80),
        timeout=60,
        encoding="utf-8",
    )
    terminal.expect("All ready in")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    stack.assert_gone()
    events = stopped_in_order(stack)
    assert events.index("dashboard") < events.index("prometheus") < events.index("proxy")


def stopped_in_order(stack: Stack) -> list[str]:
    (log,) = stack.home.rglob("events.jsonl")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [event["child"] for event in events if event["state"] == "stopped"]
