"""What people see of a start and a stop."""

import pytest

from ollamon.cli.view import View, all_ready, head, not_all_ready, unready
from ollamon.cli.words import Style
from ollamon.supervisor.messages import ChildState, ChildStatus, Event, StackState, StackStatus

ADDRESSES = {"proxy": "http://127.0.0.1:11435  metrics :8001"}


def event(child: str, state: str, detail: str = "", *, after: float = 1.0) -> Event:
    return Event(1e9 + after, after, child, state, detail, 41207 if child else None)


def shown(*events: Event, view: View | None = None) -> list[str]:
    view = view or View(Style(), ADDRESSES)
    return [line for each in events for line in view.lines(each)]


def test_a_ready_child_is_one_line_with_pid_address_and_time():
    (line,) = shown(event("proxy", "starting"), event("proxy", "ready", after=0.171))
    assert line == (
        " ✓ proxy        ready  pid 41207   http://127.0.0.1:11435  metrics :8001 171 ms"
    )
    assert len(line) <= 80


def test_the_time_stands_at_the_right_also_with_colours():
    (line,) = shown(event("proxy", "ready"), view=View(Style(True), {}))
    plain = line.replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert len(plain) == 79
    assert plain.endswith(" 1.0 s")


@pytest.mark.parametrize(("state", "mark"), [("backoff", "!"), ("degraded", "!"), ("failed", "✗")])
def test_what_goes_awry_is_told_with_its_reason(state, mark):
    assert shown(event("proxy", state, "exit 1")) == [f" {mark} proxy        {state}  exit 1"]


def test_after_the_start_our_lines_look_like_the_children_s():
    view = View(Style(), ADDRESSES, is_started=True)
    lines = shown(event("proxy", "backoff", "signal 9"), event("proxy", "ready"), view=view)
    assert lines[0] == "ollamon    │ ! proxy backoff  signal 9"
    assert lines[1].startswith("ollamon    │ ✓ proxy ready  pid 41207")


def test_a_stop_is_told_in_order_and_names_the_second_ctrl_c():
    lines = shown(
        event("", StackState.STOPPING, after=10),
        event("dashboard", "stopping", after=10),
        event("dashboard", "stopped", after=10.3),
        event("", StackState.STOPPING, "waiting for proxy: 2 open (1 s of 30 s)", after=11),
        event("proxy", "failed", "exit 1", after=11),
        event("proxy", "stopped", after=12),
        event("", "stopped", after=12.1),
    )
    assert lines == [
        "",
        "Stopping. Ctrl-C again kills what is left.",
        " ✓ dashboard    stopped   300 ms",
        "waiting for proxy: 2 open (1 s of 30 s). Ctrl-C again to kill.",
        " ✓ proxy        stopped   2.0 s",
        "All stopped in 2.1 s.",
    ]


def test_down_does_not_speak_of_ctrl_c():
    view = View(Style(), has_keyboard=False)
    lines = shown(
        event("", StackState.STOPPING),
        event("", StackState.STOPPING, "waiting for proxy"),
        view=view,
    )
    assert lines == ["waiting for proxy."]


def test_leftovers_and_processes_that_cannot_be_ended_are_told():
    lines = shown(
        event("", "swept", "removed what a dead run had left: proxy pid 7"),
        event("", StackState.STOPPING),
        event("proxy", ChildState.STOP_FAILED, "pid 8 cannot be ended; as root: kill -KILL -8"),
        event("", StackState.FAILED, "cannot end proxy pid 8"),
        event("", "stopped"),
    )
    assert lines[0] == " ! leftovers    removed what a dead run had left: proxy pid 7"
    assert lines[-2:] == [
        " ✗ proxy        pid 8 cannot be ended; as root: kill -KILL -8",
        " ✗ stop         cannot end proxy pid 8",
    ]


def test_the_last_lines_fit_eighty_columns():
    lines = all_ready(
        1.3, "http://127.0.0.1:11435", "http://127.0.0.1:3001", "Ctrl-C stops everything."
    )
    assert lines == [
        "",
        "All ready in 1.3 s. Point your clients at http://127.0.0.1:11435.",
        "Dashboard http://127.0.0.1:3001. Ctrl-C stops everything.",
    ]


def test_the_head_says_which_file_is_in_force():
    assert head("0.1.0", "default", "~/a.toml")[0] == "ollamon 0.1.0  default  ~/a.toml"
    assert "all defaults" in head("0.1.0", "default", "")[0]


def child(name: str, state: ChildState, *tail: str) -> ChildStatus:
    return ChildStatus(
        name, state, 0.0, None, (), 0, "exit 1", None, None, None, f"/l/{name}.log", "", "", tail
    )


def test_who_is_not_ready_is_named_with_its_last_lines():
    children = (
        child("proxy", ChildState.READY, "fine"),
        child("dashboard", ChildState.FAILED, "x"),
    )
    status = StackStatus("default", StackState.FAILED, "r", 1, "0", 0.0, "", "", children)
    assert not_all_ready("dashboard is failed", unready(status)) == [
        "not all ready: dashboard is failed",
        "       last lines of dashboard (/l/dashboard.log):",
        "         x",
    ]


def test_a_stranger_that_was_spared_and_lost_lines_are_told():
    view = View(Style())
    (spared,) = view.lines(event("", "spared", "pid 7 was proxy of a dead run and is no more"))
    assert spared == " ! spared       pid 7 was proxy of a dead run and is no more"
    (lost,) = view.lines(event("", "unlogged", "what proxy writes is lost: disk full"))
    assert lost == " ! unlogged     what proxy writes is lost: disk full"
