"""Single children started, stopped and restarted by name while the rest runs.

With real processes: ollamon.supervisor.roster, .requests and .waits.
"""

import os
import signal

import pytest

from ollamon.errors import ControlError, StartError
from ollamon.supervisor import control, messages
from ollamon.supervisor.spec import Restart, RestartPolicy
from tests.supervisor.harness import PATIENCE_S, Running, Stacks, fetch, free_port, listens, service


def tell(stack: Running, verb: str, *children: str, **args: object) -> list[str]:
    answer = control.ask(stack.runtime, verb, {"children": list(children), **args})
    return list(answer["children"])


def wait(stack: Running, *children: str, goal: str = "ready") -> None:
    control.wait(stack.runtime, children, goal, PATIENCE_S)


def history(stack: Running) -> list[str]:
    told = control.ask(stack.runtime, "history")["events"]
    return [f"{event.child}:{event.state}" for event in map(messages.event_from_json, told)]


def states(stack: Running) -> dict[str, str]:
    return {child.name: str(child.state) for child in stack.status().children}


def test_one_child_is_stopped_and_started_and_the_others_stay(stacks: Stacks) -> None:
    port = free_port()
    stack = stacks.start(service("one", port=port), service("two", after=("one",))).ready()
    other = stack.pid_of("two")
    assert tell(stack, "stop", "one") == ["one"]
    wait(stack, "one", goal="stopped")
    assert (states(stack), listens(port)) == ({"one": "stopped", "two": "ready"}, False)
    assert tell(stack, "start", "one") == ["one"]
    wait(stack, "one")
    assert listens(port)
    assert stack.pid_of("two") == other
    assert stack.stop() == 0


def test_who_requires_a_child_stops_before_it_and_starts_after_it(stacks: Stacks) -> None:
    stack = stacks.start(service("base"), service("top", requires=("base",))).ready()
    assert tell(stack, "stop", "base") == ["base", "top"]
    wait(stack, "base", "top", goal="stopped")
    seen = history(stack)
    assert seen.index("top:stopped") < seen.index("base:stopping")
    assert tell(stack, "start", "top") == ["base", "top"]
    wait(stack, "top")
    again = history(stack)[len(seen) :]
    assert again.index("base:ready") < again.index("top:starting")


def test_a_restart_takes_those_along_that_require_the_child_unless_told(stacks: Stacks) -> None:
    stack = stacks.start(
        service("base"), service("top", requires=("base",)), service("other", after=("base",))
    ).ready()
    before = {child.name: child.pid for child in stack.status().children}
    assert tell(stack, "restart", "base") == ["base", "top"]
    wait(stack, "base", "top")
    after = {child.name: child.pid for child in stack.status().children}
    assert {name for name in after if after[name] != before[name]} == {"base", "top"}
    assert tell(stack, "restart", "base", dependents=False) == ["base"]
    wait(stack, "base")
    last = {child.name: child.pid for child in stack.status().children}
    assert {name for name in last if last[name] != after[name]} == {"base"}


def test_a_stop_with_a_limit_kills_at_it(stacks: Stacks) -> None:
    stack = stacks.start(service("stubborn", "--ignterm", stop_timeout_s=600.0)).ready()
    tell(stack, "stop", "stubborn", timeout=0.1)
    wait(stack, "stubborn", goal="stopped")
    assert stack.child("stubborn").last_exit == "signal 9"
    # The limit was for that once.
    tell(stack, "start", "stubborn")
    wait(stack, "stubborn")
    tell(stack, "restart", "stubborn")
    with pytest.raises(StartError, match="stubborn is stopping"):
        control.wait(stack.runtime, ["stubborn"], timeout_s=0.3)


def test_a_stop_with_a_limit_hurries_a_restart_that_is_under_way(stacks: Stacks) -> None:
    stack = stacks.start(service("stubborn", "--ignterm", stop_timeout_s=600.0)).ready()
    tell(stack, "restart", "stubborn")
    stack.wait_for("stubborn", "stopping")
    tell(stack, "stop", "stubborn", timeout=0.1)
    control.wait(stack.runtime, ["stubborn"], "stopped", timeout_s=30.0)
    assert stack.child("stubborn").last_exit == "signal 9"


def test_a_stopped_child_stays_so_and_the_stack_is_ready(stacks: Stacks) -> None:
    stack = stacks.start(service("one"), service("two", is_essential=True)).ready()
    tell(stack, "stop", "one")
    wait(stack, "one", goal="stopped")
    assert stack.status().state == "ready"
    assert stack.stop() == 0


def test_verbs_for_nobody_are_refused(stacks: Stacks) -> None:
    stack = stacks.start(service("one")).ready()
    for verb in ("start", "stop", "restart"):
        with pytest.raises(ControlError, match=f"cannot {verb} two: there is one"):
            tell(stack, verb, "two")


def test_who_requires_a_failed_child_is_blocked_until_it_comes_back(stacks: Stacks) -> None:
    cure = stacks.folder / "cure"
    stack = stacks.start(
        service("base", "--crash", "78", "--unless", str(cure)),
        service("top", requires=("base",)),
    )
    stack.wait_for("top", "blocked")
    assert "requires base, which is failed" in stack.child("top").note
    assert stack.wait_for("", "degraded")
    with pytest.raises(StartError, match="top is blocked"):
        control.wait(stack.runtime, ["top"])
    cure.touch()
    tell(stack, "start", "base")
    wait(stack, "top")
    assert stack.stop() == 0


def test_a_child_that_has_done_its_work_stays_down(stacks: Stacks) -> None:
    done = Restart(policy=RestartPolicy.ON_FAILURE)
    file = stacks.folder / "go"
    stack = stacks.start(service("job", "--crash-on", str(file), "--code", "0", restart=done))
    stack.ready()
    file.touch()
    stack.wait_for("job", "exited")
    assert stack.status().state == "ready"
    assert stack.stop() == 0
    assert "backoff" not in stack.history("job")


def test_a_killed_child_serves_again_without_a_pause(stacks: Stacks) -> None:
    port = free_port()
    # With any pause at all the test would run into its limit.
    stack = stacks.start(service("one", port=port, restart=Restart(initial_s=600.0))).ready()
    seen = len(stack.events)
    os.kill(stack.pid_of("one"), signal.SIGKILL)
    stack.wait_for("one", "ready", after=seen)
    assert fetch(port) == str(stack.pid_of("one"))
