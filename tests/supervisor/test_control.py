"""Both ends of the control socket: ollamon.supervisor.control and .control_server."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from ollamon.errors import (
    ControlError,
    DegradedError,
    NotRunningError,
    OllamonError,
    StartError,
)
from ollamon.supervisor import control, control_server, messages
from ollamon.supervisor.control_server import ControlServer
from ollamon.supervisor.journal import Journal
from ollamon.supervisor.messages import ChildState, StackState, StackStatus
from ollamon.supervisor.output import RotatingFile
from ollamon.supervisor.verdict import Member
from tests.supervisor.harness import until

STATUS = StackStatus("default", StackState.READY, "ab", 1, "1", 1.0, "", "", ())


class Fake:
    """Takes commands as the supervisor does."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.proxy = ChildState.STARTING

    def status(self) -> StackStatus:
        return STATUS

    def request_stop(self, timeout_s: float | None = None) -> None:
        self.told.append(("stop", timeout_s))

    def start(self, names) -> list[str]:
        self.told.append(("start", names))
        return names

    def stop(self, names, *, dependents=True, timeout_s=None) -> list[str]:
        self.told.append(("stop", names, dependents, timeout_s))
        return names

    def restart(self, names, *, dependents=True) -> list[str]:
        if names != ["proxy"]:
            raise ControlError(f"cannot restart {names[0]}")
        self.told.append(("restart", names, dependents))
        return names

    def members(self) -> list[Member]:
        return [
            Member("proxy", self.proxy, True, "503"),
            Member("page", ChildState.READY, False, ""),
        ]


class Served:
    """A control server in a loop of its own."""

    def __init__(self, runtime) -> None:
        self.runtime = runtime
        self.fake = Fake()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(20)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._journal = Journal(lambda _: None, RotatingFile(self.runtime / "events", 10**6, 1))
        self._server = ControlServer(self.runtime, self.fake, self._journal)
        await self._server.start()
        self._ready.set()
        await self._end.wait()
        self._server.close()
        await self._server.farewell()
        self._journal.close()

    def emit(self, state: str) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._journal.emit, "proxy", state)
        self._loop.call_soon_threadsafe(done.set)
        assert done.wait(20)

    def change(self, state: ChildState) -> None:
        self.fake.proxy = state
        self.emit(state)

    def waiting(self) -> int:
        return len(self._server._waits._waits)

    def end(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)

    def followers(self) -> int:
        return len(self._server._followers)


@pytest.fixture
def served(stacks) -> Iterator[Served]:
    made = Served(stacks.folder)
    yield made
    made.end()


def raw(served: Served, line: bytes) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(served.runtime / messages.SOCKET_NAME))
        connection.sendall(line)
        return json.loads(connection.makefile("rb").readline())


def test_the_status_is_answered(served):
    assert messages.status_from_json(control.ask(served.runtime, "status")) == STATUS


def test_a_restart_is_passed_on_or_refused_in_words(served):
    control.ask(served.runtime, "restart", {"child": "proxy"})
    assert served.fake.told == [("restart", ["proxy"], True)]
    with pytest.raises(ControlError, match="cannot restart engine"):
        control.ask(served.runtime, "restart", {"child": "engine"})


def test_children_are_started_and_stopped_by_name(served):
    assert control.ask(served.runtime, "start", {"children": ["proxy"]}) == {"children": ["proxy"]}
    arguments = {"children": ["proxy"], "dependents": False, "timeout": 2}
    assert control.ask(served.runtime, "stop", arguments) == {"children": ["proxy"]}
    assert served.fake.told == [("start", ["proxy"]), ("stop", ["proxy"], False, 2.0)]


def test_the_history_is_told_at_once(served):
    served.emit("starting")
    served.emit("ready")
    events = control.ask(served.runtime, "history")["events"]
    assert [messages.event_from_json(event).state for event in events] == ["starting", "ready"]


class Waiting(threading.Thread):
    """A client that waits, and what it is told."""

    def __init__(self, served: Served, goal: str = "ready", timeout_s: float | None = None) -> None:
        super().__init__(daemon=True)
        self._ask = (served.runtime, ["proxy", "page"], goal, timeout_s)
        self.outcome: object = None
        self.start()
        until(served.waiting, "it waits")

    def run(self) -> None:
        try:
            control.wait(*self._ask)
            self.outcome = "there"
        except OllamonError as error:
            self.outcome = error

    def told(self) -> object:
        self.join(20)
        return self.outcome


def test_a_wait_ends_when_all_are_ready(served):
    waiting = Waiting(served)
    served.change(ChildState.BACKOFF)
    assert waiting.is_alive()
    served.change(ChildState.READY)
    assert waiting.told() == "there"
    # Those who are there already wait for nothing.
    control.wait(served.runtime, ["proxy"])


def test_a_wait_ends_when_a_child_has_failed(served):
    waiting = Waiting(served)
    served.change(ChildState.FAILED)
    outcome = waiting.told()
    assert isinstance(outcome, StartError)
    assert str(outcome) == "proxy is failed (503)"


@pytest.mark.parametrize(
    ("state", "kind"), [(ChildState.STARTING, StartError), (ChildState.DEGRADED, DegradedError)]
)
def test_a_wait_that_is_too_long_says_for_whom(served, state, kind):
    served.fake.proxy = state
    with pytest.raises(kind, match=rf"not within 0.05 s: proxy is {state} \(503\)"):
        control.wait(served.runtime, ["proxy", "page"], timeout_s=0.05)


def test_the_end_of_everything_ends_every_wait(served):
    ready, stopped = Waiting(served), Waiting(served, "stopped")
    until(lambda: served.waiting() == 2, "both wait")
    served.end()
    assert (type(ready.told()), stopped.told()) == (StartError, "there")


def test_a_client_that_has_gone_is_forgotten(served):
    request = b'{"v":1,"cmd":"wait","args":{"children":["proxy"]}}\n'
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(served.runtime / messages.SOCKET_NAME))
        connection.sendall(request)
        until(served.waiting, "it waits")
    until(lambda: not served.waiting(), "it is forgotten")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, 1e12, "7", True])
def test_a_time_that_is_none_is_refused_and_stops_nothing(served, seconds):
    with pytest.raises(ControlError, match="timeout"):
        control.ask(served.runtime, "stop", {"timeout": seconds})
    assert served.fake.told == []


def test_waiting_for_nobody_is_refused(served):
    with pytest.raises(ControlError, match="cannot wait for engine: there is proxy, page"):
        control.wait(served.runtime, ["engine"])
    with pytest.raises(ControlError, match="cannot wait for 'lunch'"):
        control.wait(served.runtime, ["proxy"], "lunch")


def test_a_stop_is_answered_at_the_end(served):
    answers = []

    def stop() -> None:
        answers.append(control.ask(served.runtime, "stop", {"timeout": 7}, timeout_s=30))

    thread = threading.Thread(target=stop)
    thread.start()
    while not served.fake.told:
        pass
    assert served.fake.told == [("stop", 7.0)]
    assert not answers
    served.end()
    thread.join(20)
    assert answers == [{}]


def test_events_are_followed_to_the_end_with_those_before(served):
    served.emit("starting")
    events = control.follow(served.runtime, replay=True)
    assert next(events).state == "starting"
    served.emit("ready")
    assert next(events).state == "ready"
    served.end()
    assert list(events) == []


def test_events_without_replay_begin_now(served):
    served.emit("starting")
    seen = []

    def follow() -> None:
        seen.extend(event.state for event in control.follow(served.runtime))

    thread = threading.Thread(target=follow)
    thread.start()
    while not served.followers():
        pass
    served.emit("ready")
    served.end()
    thread.join(20)
    assert seen == ["ready"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello\n", "cannot read the request: it is no JSON"),
        (b"[" * 10000 + b"\n", "cannot read the request: it is no JSON"),
        (b"[]\n", "cannot read the request: unknown shape"),
        (b'{"v":1}\n', "cannot read the request: unknown shape"),
        (b'{"v":9,"cmd":"status"}\n', "the supervisor speaks version 1 of the protocol, not 9"),
        (b'{"v":1,"cmd":"dance"}\n', "cannot do 'dance'"),
        (b'{"v":1,"cmd":"restart","args":[1]}\n', "children is None, no list of names"),
    ],
)
def test_nonsense_is_refused_in_words(served, line, message):
    answer = raw(served, line)
    assert answer["ok"] is False
    assert message in answer["error"]["message"]
    assert control.ask(served.runtime, "status")


def test_a_line_without_end_ends_the_connection(served):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(served.runtime / messages.SOCKET_NAME))
        # It hears nobody out for ever: at the limit it hangs up, and the rest has no taker.
        with pytest.raises(ConnectionError):
            connection.sendall(b"x" * 50_000_000)
    assert control.ask(served.runtime, "status")


def test_a_follower_that_does_not_read_is_dropped(served):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(served.runtime / messages.SOCKET_NAME))
        connection.sendall(b'{"v":1,"cmd":"events"}\n')
        while not served.followers():
            pass
        while served.followers():
            served.emit("x" * 10_000)


def test_the_socket_is_for_this_user_alone(served):
    assert (served.runtime / messages.SOCKET_NAME).stat().st_mode & 0o777 == 0o600
    assert not control_server._is_allowed(os.geteuid() + 1)
    assert control_server._is_allowed(0)


@pytest.mark.fault(50)
def test_another_user_is_refused(served, monkeypatch):
    monkeypatch.setattr(control_server, "_peer_uid", lambda _: 4711)
    with pytest.raises(ControlError, match="hung up"):
        control.ask(served.runtime, "status")


def test_nobody_there_is_not_running(stacks):
    with pytest.raises(NotRunningError):
        control.ask(stacks.folder, "status")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stacks.folder / messages.SOCKET_NAME))
    with pytest.raises(NotRunningError):
        list(control.follow(stacks.folder))


def answered(stacks, line: bytes) -> ControlError:
    """Ask a server that answers with this line."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stacks.folder / messages.SOCKET_NAME))
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(line)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ControlError) as caught:
            control.ask(stacks.folder, "status")
        thread.join(20)
        return caught.value


def test_an_answer_that_is_none_is_told(stacks):
    assert "it is no JSON" in str(answered(stacks, b"x\n"))


@pytest.mark.fault(41)
def test_an_answer_of_another_version_is_told(stacks):
    assert "protocol 2 instead of 1" in str(answered(stacks, b'{"v":2}\n'))


def test_an_answer_of_another_shape_is_told(stacks):
    assert "unknown shape" in str(answered(stacks, b'{"v":1}\n'))


def test_a_silent_supervisor_is_told(stacks):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stacks.folder / messages.SOCKET_NAME))
        listener.listen()
        with pytest.raises(ControlError, match=r"is silent$"):
            control.ask(stacks.folder, "status", timeout_s=0.05)


def test_a_suspended_supervisor_is_named(stacks):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stacks.folder / messages.SOCKET_NAME))
        listener.listen()
        process = subprocess.Popen(["sleep", "60"])
        try:
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            (stacks.folder / messages.LOCK_NAME).write_text(f"{process.pid}\n")
            with pytest.raises(ControlError, match=rf"pid {process.pid}") as caught:
                control.ask(stacks.folder, "status", timeout_s=0.05)
        finally:
            process.kill()
            process.wait()
    if sys.platform == "linux":
        assert "suspended (state T)" in str(caught.value)
