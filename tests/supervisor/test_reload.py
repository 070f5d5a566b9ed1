"""A running stack becomes another one. With real processes: `Supervisor.reload` and `planner`."""

import json
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ollamon.errors import ConfigError, ControlError, PortInUseError, Problem, to_document
from ollamon.supervisor import control, wire
from ollamon.supervisor.spec import ServiceSpec, StackSpec
from tests.supervisor.harness import (
    PATIENCE_S,
    Running,
    Stacks,
    fetch,
    free_port,
    is_alive,
    listens,
    service,
    trace_of,
    until,
)

PRINT = "import pathlib, sys; print(pathlib.Path(sys.argv[1]).read_text())"


class Reloadable:
    """A stack whose next plan lies in a file."""

    def __init__(self, stacks: Stacks, *services: ServiceSpec, **fields: Any) -> None:
        self.file = stacks.folder / "plan"
        origin = (sys.executable, "-I", "-S", "-c", PRINT, str(self.file))
        self.spec = stacks.spec(*services, origin=origin, **fields)
        self.running = stacks.start_spec(self.spec).ready()

    def plan(self, *services: ServiceSpec, **fields: Any) -> StackSpec:
        spec = replace(self.spec, services=services, **fields)
        self.file.write_text(json.dumps({"stack": wire.to_document(spec)}))
        return spec

    def reload(self, *, dry_run: bool = False) -> dict[str, str]:
        answer = control.ask(self.running.runtime, "reload", {"dry_run": dry_run}, PATIENCE_S)
        return {each["name"]: each["action"] for each in answer["plan"]}

    def await_ready(self, *names: str) -> None:
        control.wait(self.running.runtime, names, timeout_s=PATIENCE_S)


def pids(stack: Running) -> dict[str, int | None]:
    return {child.name: child.pid for child in stack.status().children}


def test_only_what_changed_is_restarted_the_new_starts_and_the_old_leaves(stacks: Stacks) -> None:
    port = free_port()
    same, other, gone = (
        service("same"),
        service("other", "--say", "one"),
        service("gone", port=port),
    )
    made = Reloadable(stacks, same, other, gone)
    stack, before = made.running, pids(made.running)
    made.plan(service("new"), same, service("other", "--say", "two"), config_digest="d2")
    expected = {"new": "start", "same": "keep", "other": "restart", "gone": "stop"}
    assert made.reload(dry_run=True) == expected
    assert pids(stack) == before
    assert made.reload() == expected
    made.await_ready("new", "other")
    until(lambda: "gone" not in pids(stack), "it is forgotten")
    after = pids(stack)
    assert list(after) == ["new", "same", "other"]
    assert after["same"] == before["same"]
    assert after["other"] != before["other"]
    assert not is_alive(before["gone"] or 0)
    assert not listens(port)
    assert stack.child("other").note == "two"
    assert stack.status().config_digest == "d2"
    stack.wait_for("", "reloaded")
    assert next(event for event in stack.events if event.state == "reloaded").detail == (
        "new: start; other: restart; gone: stop"
    )
    assert made.reload() == dict.fromkeys(after, "keep")
    assert stack.stop() == 0


def test_a_restart_refuses_no_connection_and_a_moved_address_is_given_back(stacks: Stacks) -> None:
    port, moved, later = free_port(), free_port(), free_port()

    def a(*flags: str, second: int = moved) -> ServiceSpec:
        made = service("a", *flags, port=port)
        listen = replace(made.listens[0], name="second", port=second)
        return replace(made, listens=(*made.listens, listen))

    made = Reloadable(stacks, a())
    refused, stop = [], threading.Event()

    def knock() -> None:
        while not stop.is_set():
            if not listens(port):
                refused.append(1)

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        for number in range(3):
            made.plan(a("--say", str(number)))
            made.reload()
            made.await_ready("a")
        made.plan(a("--say", "2", second=later))
        made.reload()
        made.await_ready("a")
    finally:
        stop.set()
        thread.join()
    assert not refused
    assert fetch(port) == str(made.running.pid_of("a"))
    assert (listens(moved), listens(later)) == (False, True)
    assert made.running.child("a").restarts == 4


def broken(made: Reloadable, text: str) -> None:
    made.file.write_text(text)


PROBLEMS = (Problem("a.b: wrong", "f:1:2", "  1 │ b"), Problem("c: unknown"))


@pytest.mark.fault(40)
@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (
            lambda made: broken(made, json.dumps({"error": to_document(ConfigError(PROBLEMS))})),
            ConfigError,
            r"f:1:2: a.b: wrong\n  1 │ b\nc: unknown",
        ),
        (lambda made: broken(made, "Traceback"), ControlError, "could not be read"),
        (lambda made: broken(made, "[]"), ControlError, "could not be read"),
        (lambda made: broken(made, '{"stack": {}}'), ControlError, "cannot read the plan"),
        (
            lambda made: made.file.unlink(missing_ok=True),
            ControlError,
            r"could not be read \(exit 1\)",
        ),
        (lambda made: made.plan(service("a"), service("a")), ControlError, "share a name"),
        (
            lambda made: made.plan(service("a"), runtime=Path("/elsewhere")),
            ControlError,
            "cannot change runtime while it runs",
        ),
    ],
    ids=["config", "text", "list", "shape", "no plan", "names", "moved"],
)
def test_what_cannot_be_taken_changes_nothing(
    stacks: Stacks, spoil: Callable[[Reloadable], object], kind: type[Exception], said: str
) -> None:
    made = Reloadable(stacks, service("a"), service("b"))
    before, seen = pids(made.running), made.running.status()
    spoil(made)
    with pytest.raises(kind, match=said) as caught:
        made.reload()
    if isinstance(caught.value, ConfigError):
        assert caught.value.problems == PROBLEMS
    assert pids(made.running) == before
    assert made.running.status().state == seen.state == "ready"
    assert made.running.stop() == 0
    assert "reloaded" not in made.running.history("")


def test_a_taken_port_of_a_new_child_changes_nothing(stacks: Stacks) -> None:
    made = Reloadable(stacks, service("a"))
    other = Stacks(stacks.folder / "other")
    port = free_port()
    stranger = other.start(service("stranger", port=port)).ready()
    try:
        made.plan(service("a", "--say", "new"), service("b", port=port))
        before = pids(made.running)
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port} is in use, wanted by b"):
            made.reload()
        assert pids(made.running) == before
        stranger.stop()
        assert made.reload() == {"a": "restart", "b": "start"}
        made.await_ready("a", "b")
    finally:
        other.clean()


def test_what_the_process_does_not_see_is_in_force_without_a_restart(stacks: Stacks) -> None:
    made = Reloadable(stacks, service("a", "--ignterm", stop_timeout_s=600.0))
    before = pids(made.running)
    made.plan(service("a", "--ignterm", stop_timeout_s=0.1), shutdown_timeout_s=500.0)
    assert made.reload() == {"a": "adjust"}
    assert pids(made.running) == before
    assert made.running.stop() == 0
    assert made.running.wait_for("a", "stopped")


def test_files_are_written_and_the_one_that_reads_them_is_told(stacks: Stacks) -> None:
    trace, file = stacks.folder / "trace", stacks.folder / "file"

    def a(text: str) -> ServiceSpec:
        made = service("a", "--trace", str(trace))
        return replace(made, files={file: text}, reload_signal=signal.SIGINT)

    made = Reloadable(stacks, a("one"))
    before = pids(made.running)
    made.plan(a("two"))
    assert made.reload() == {"a": "signal"}
    until(lambda: [word for _, word in trace_of(trace)] == ["START", "READY", "INT"], "it was told")
    assert (file.read_text(), pids(made.running)) == ("two", before)


def test_a_child_that_a_person_stopped_stays_so_and_starts_as_the_new_one(stacks: Stacks) -> None:
    port, later = free_port(), free_port()
    made = Reloadable(stacks, service("a", port=port), service("b"))
    control.ask(made.running.runtime, "stop", {"children": ["a"]})
    control.wait(made.running.runtime, ["a"], "stopped", PATIENCE_S)
    made.plan(service("a", port=later), service("b"))
    assert made.reload() == {"a": "restart", "b": "keep"}
    assert (made.running.child("a").state, listens(later)) == ("stopped", False)
    control.ask(made.running.runtime, "start", {"children": ["a"]})
    made.await_ready("a")
    assert (listens(port), listens(later)) == (False, True)


def test_a_failed_child_is_mended_by_a_reload(stacks: Stacks) -> None:
    made = Reloadable(stacks, service("a", is_essential=True))
    made.plan(service("a", is_essential=True), service("b", "--crash", "78"))
    made.reload()
    until(lambda: made.running.child("b").state == "failed", "it is refused")
    made.plan(service("a", is_essential=True), service("b"))
    made.reload()
    made.await_ready("b")
    assert made.running.stop() == 0


def test_the_lock_on_data_goes_along_or_is_given_back(stacks: Stacks) -> None:
    one, two = stacks.folder / "one.lock", stacks.folder / "two.lock"
    made = Reloadable(stacks, service("a", data_lock=one))
    made.plan(service("a", "--say", "same lock", data_lock=one))
    made.reload()
    made.await_ready("a")
    made.plan(service("a", "--say", "other lock", data_lock=two))
    made.reload()
    made.await_ready("a")
    other = Stacks(stacks.folder / "other")
    try:
        assert other.start(service("a", data_lock=one)).ready().stop() == 0
        assert other.start(service("a", data_lock=two)).ended() == 4
    finally:
        other.clean()


def test_sighup_without_a_terminal_reloads_and_says_what_is_wrong(stacks: Stacks) -> None:
    made = Reloadable(stacks, service("a", "--say", "one"))
    broken(made, "no plan")
    made.running.signal(signal.SIGHUP)
    refused = made.running.wait_for("", "not-reloaded")
    assert refused.detail == "cannot reload: the configuration could not be read (exit 0)"
    made.plan(service("a", "--say", "two"))
    made.running.signal(signal.SIGHUP)
    made.running.wait_for("", "reloaded")
    made.await_ready("a")
    assert made.running.child("a").note == "two"


def test_one_reload_at_a_time_and_none_while_stopping(stacks: Stacks) -> None:
    made = Reloadable(stacks, service("a"))
    gate = stacks.folder / "gate"
    waits = (
        f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)"
    )
    slow = replace(made.spec, origin=(sys.executable, "-I", "-S", "-c", waits))
    made.file.write_text(json.dumps({"stack": wire.to_document(slow)}))
    made.reload()
    made.running.signal(signal.SIGHUP)
    with pytest.raises(ControlError, match="is being read just now"):
        made.reload()
    # Its process ends with the stack.
    assert made.running.stop() == 0


def test_a_stack_of_unknown_origin_says_so(stacks: Stacks) -> None:
    stack = stacks.start(service("a")).ready()
    with pytest.raises(ControlError, match="not known how this stack was started"):
        control.ask(stack.runtime, "reload")
