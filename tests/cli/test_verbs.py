"""`start`, `stop`, `restart`, `wait`, `down CHILD`, `events`, `status` on a stack of fakes."""

import json
import signal
import time

import pytest

from ollamon.cli import shapes
from ollamon.cli.events import command as events
from ollamon.cli.start import command as start
from ollamon.cli.stop import command as stop
from ollamon.cli.verbs import describe
from ollamon.cli.wait import command as wait
from tests.cli.shape import misfits
from tests.supervisor.harness import service


def answer(text: str, shape: type) -> dict:
    """The one object that was printed, which must have this shape."""
    document = json.loads(text)
    assert (document.pop("v"), document.pop("ok"), document.pop("code")) == (1, True, 0)
    assert misfits(shape, document) == []
    return document


def test_commands_have_their_names():
    names = [command.name for command in (start, stop, wait, events)]
    assert names == ["start", "stop", "wait", "events"]


def test_children_are_stopped_and_started_with_those_that_require_them(running, invoke):
    stack = running(service("base"), service("top", requires=("base",)), service("other"))
    code, out, _ = invoke("stop", "base")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["✓", "top", "stopped"],
        ["✓", "base", "stopped"],
    ]
    assert invoke("status", "base", "-q")[:2] == (5, "")
    assert invoke("status", "-q")[:2] == (0, "")
    assert invoke("wait", "base", "--for", "stopped")[0] == 0
    document = answer(invoke("start", "top", "--json")[1], shapes.Children)
    assert [(child["name"], child["state"]) for child in document["children"]] == [
        ("base", "ready"),
        ("top", "ready"),
    ]
    assert invoke("wait")[0] == 0
    assert invoke("down", "top", "--json")[1].endswith('"children": ["top"]}\n')
    assert stack.child("top").state == "stopped"
    assert stack.stop() == 0
    assert invoke("wait", "--for", "stopped")[:2] == (0, "default is not running.\n")
    assert invoke("down", "top")[0] == 0


def test_a_restart_is_told_when_it_is_done(running, invoke):
    stack = running(service("base"), service("top", requires=("base",)))
    before = stack.pid_of("top")
    code, out, _ = invoke("restart", "base", "--no-dependents")
    assert (code, len(out.splitlines())) == (0, 1)
    assert stack.pid_of("top") == before
    code, out, _ = invoke("restart")
    assert [line.split()[1:5] for line in out.splitlines()] == [
        ["base", "ready", "pid", str(stack.pid_of("base"))],
        ["top", "ready", "pid", str(stack.pid_of("top"))],
    ]
    assert describe(stack.child("top")) == f"ready  pid {stack.pid_of('top')}"


def test_what_does_not_get_there_has_its_exit_code(running, invoke, home):
    stack = running(
        service("base", "--crash-on", str(home / "now"), "--code", "78"),
        service("stubborn", "--ignterm", stop_timeout_s=600.0),
        service("slow", "--ignterm", stop_timeout_s=1.0),
    )
    assert invoke("stop", "stubborn", "--timeout", "100ms")[0] == 0
    assert stack.child("stubborn").last_exit == "signal 9"
    code, _, err = invoke("restart", "slow", "--timeout", "200ms")
    assert code == 1
    assert err.startswith("error: not within 0.2 s: slow is stopping")
    (home / "now").touch()
    stack.wait_for("base", "failed")
    code, _, err = invoke("wait", "base", "--json")
    assert (code, json.loads(_)["error"]["kind"]) == (1, "not_ready")
    assert invoke("status")[0] == 5


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "wait", "status", "down"])
def test_a_child_that_is_not_there_is_a_wrong_argument(running, invoke, verb):
    running(service("one"))
    code, _, err = invoke(verb, "two")
    assert code == 2
    assert "no child 'two'; there is one" in err


def test_events_are_shown_while_it_runs_and_after(running, invoke):
    stack = running(service("one"))
    shown = [line.split()[1:3] for line in invoke("events")[1].splitlines()]
    assert (
        shown
        == [["one", "pending"], ["one", "starting"], ["one", "ready"], ["*", "ready"]][
            -len(shown) :
        ]
    )
    assert f"pid {stack.pid_of('one')}" in invoke("events")[1]
    assert invoke("events", "-n", "1")[1].split()[1:] == ["*", "ready"]
    assert stack.stop() == 0
    document = answer(invoke("events", "--json")[1], shapes.Events)
    assert [event["state"] for event in document["events"]][-2:] == ["stopped", "stopped"]
    (stack.stack.state / "events.jsonl").write_text('nonsense\n{"t": "x"}\n')
    assert invoke("events")[0] == 3


def test_events_are_followed_to_the_end(running, invoke):
    stack = running(service("one"))
    stack.signal(signal.SIGTERM)
    code, out, _ = invoke("events", "-f", "--json")
    assert code == 0
    seen = [answer(line, shapes.Events)["events"][0] for line in out.splitlines()]
    assert (seen[-1]["child"], seen[-1]["state"]) == (None, "stopped")


def test_a_status_is_shown_again_and_again(running, invoke, monkeypatch):
    stack = running(service("one"))
    naps, sleep = [], time.sleep

    def nap(seconds: float) -> None:
        if seconds != 3.0:
            sleep(seconds)
            return
        naps.append(seconds)
        if len(naps) == 2:
            assert stack.stop() == 0

    monkeypatch.setattr("time.sleep", nap)
    code, out, _ = invoke("status", "-w", "--interval", "3s", "--json")
    assert (code, naps) == (3, [3.0, 3.0])
    lines = out.splitlines()
    assert [answer(line, shapes.Status)["state"] for line in lines[:2]] == ["ready", "ready"]
    assert json.loads(lines[2])["code"] == 3


def test_a_wide_status_has_more_columns(running, invoke):
    stack = running(service("one", address="http://127.0.0.1:1"))
    table = invoke("status", "--wide")[1].splitlines()
    assert table[1].split()[-4:] == ["LAST", "EXIT", "ADDRESS", "LOG"]
    assert table[2].endswith(f"http://127.0.0.1:1  {stack.child('one').log}")


def test_the_version_of_what_runs_is_said(running, invoke):
    running(service("one"))
    assert "was started by ollamon 0.0.test." in invoke("version")[1]
    assert answer(invoke("version", "--json")[1], shapes.Version)["running"] == "0.0.test"
    assert "what runs is 0.0.test." in invoke("status")[1]
