"""Supervisors in processes of their own, and ways to look at them."""

import json
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from ollamon.supervisor import control, messages
from ollamon.supervisor.spec import HttpProbe, Listen, LogSpec, Restart, ServiceSpec, StackSpec

PATIENCE_S = 30.0
FULL = bool(os.environ.get("OLLAMON_FULL"))
CHILD = Path(__file__).parents[1] / "fakes" / "child.py"
DRIVE = Path(__file__).parent / "drive.py"
QUICK = Restart(initial_s=0.01, max_s=0.1, retry_s=600.0)


def until(holds: Callable[[], Any], what: str) -> Any:
    """Poll until something holds; return what it was."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := holds()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.01)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def zombies_of(pid: int) -> list[int]:
    """Those below a process."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def carriers(run_id: str) -> list[int]:
    """Pids of living processes that carry the run id."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("OLLAMON_RUN_ID") == run_id and is_alive(process.pid):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fetch(port: int) -> str:
    """Ask the fake child for its pid."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.makefile("rb").read().decode().rpartition("\r\n\r\n")[2].strip()


def words(path: Path) -> list[str]:
    """What a child with `--trace` went through."""
    return [word for _, word in trace_of(path)]


def trace_of(path: Path) -> list[tuple[float, str]]:
    """The same with monotonic seconds."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return [(float(at), word) for at, _, word in lines]


def nothing_is_left(run_id: str, *ports: int) -> None:
    until(lambda: not carriers(run_id), "no process of the run is left")
    for port in ports:
        until(lambda port=port: not listens(port), f"nobody listens on {port}")


def guard_of(run_id: str) -> list[int]:
    """Pids of the run's guards."""
    found = []
    for pid in carriers(run_id):
        try:
            if psutil.Process(pid).environ().get("OLLAMON_CHILD") == "guard":
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


def foreign(name: str, port: int, *flags: str, **fields: Any) -> ServiceSpec:
    """A service that knows nothing of ollamon, binds its port itself and is asked by HTTP."""
    url = f"http://127.0.0.1:{port}/"
    given = {
        "section": None,
        "listens": (Listen("listen", "127.0.0.1", port, f"{name}.listen", held=False),),
        "probe": HttpProbe(url, url),
        **fields,
    }
    return service(name, "--foreign", "--port", str(port), *flags, **given)


def service(name: str, *flags: str, port: int | None = None, **fields: Any) -> ServiceSpec:
    """A service made of the fake child; `port` is held by the supervisor."""
    listen = (Listen("listen", "127.0.0.1", port, f"{name}.listen"),) if port else ()
    given = {"section": {}, "listens": listen, "restart": QUICK, **fields}
    return ServiceSpec(name, (sys.executable, "-I", "-u", str(CHILD), *flags), **given)


class Running:
    """A supervisor in a process of its own, and its events."""

    def __init__(self, process: "subprocess.Popen[bytes]", stack: StackSpec) -> None:
        self.process = process
        self.stack = stack
        self.events: list[messages.Event] = []
        self.other_lines: list[str] = []
        self.patience_s = PATIENCE_S
        self._rest = b""

    @property
    def runtime(self) -> Path:
        return self.stack.runtime

    def status(self) -> messages.StackStatus:
        return messages.status_from_json(control.ask(self.runtime, "status", timeout_s=PATIENCE_S))

    def child(self, name: str) -> messages.ChildStatus:
        return next(child for child in self.status().children if child.name == name)

    def pid_of(self, name: str) -> int:
        pid = self.child(name).pid
        assert pid is not None
        return pid

    def wait_for(self, child: str, state: str, *, after: int = 0) -> messages.Event:
        """Wait for an event; `after` skips so many of the earliest events."""

        def seen() -> messages.Event | None:
            for event in self.events[after:]:
                if (event.child, event.state) == (child, state):
                    return event
            return None

        deadline = time.monotonic() + self.patience_s
        while (event := seen()) is None:
            assert self._read(deadline), f"no {child or 'stack'} {state} in {self.history()}"
        return event

    def ready(self) -> "Running":
        self.wait_for("", "ready")
        return self

    def history(self, child: str | None = None) -> list[str]:
        return [
            event.state if child is not None else f"{event.child}:{event.state}"
            for event in self.events
            if child is None or event.child == child
        ]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Read to the end; return the exit code."""
        while self._read(time.monotonic() + PATIENCE_S):
            pass
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.ended()

    def _read(self, deadline: float) -> bool:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return False
        data = os.read(self.process.stdout.fileno(), 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"{"):
                self.events.append(messages.event_from_json(json.loads(line)))
            else:
                self.other_lines.append(line.decode(errors="replace"))
        return bool(data)


class Stacks:
    """Makes and starts stacks in a folder of their own; ends what is left of them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.started: list[Running] = []

    def spec(self, *services: ServiceSpec, **fields: Any) -> StackSpec:
        given = {
            "name": "default",
            "runtime": self.folder / "run" / "default",
            "state": self.folder / "state",
            "log": LogSpec(self.folder / "logs", 10_000_000, 3),
            "start_timeout_s": PATIENCE_S,
            **fields,
        }
        return StackSpec(services=services, **given)

    def start(self, *services: ServiceSpec, console: str = "", **fields: Any) -> Running:
        return self.start_spec(self.spec(*services, **fields), console=console)

    def start_spec(
        self,
        stack: StackSpec,
        *,
        console: str = "",
        prefix: Sequence[str] = (),
        flags: Sequence[str] = (),
        **popen: Any,
    ) -> Running:
        """Start it; `prefix` goes before the command, `flags` are those of drive.py."""
        path = self.folder / f"spec-{len(self.started)}"
        path.write_bytes(pickle.dumps(stack))
        process = subprocess.Popen(
            [
                *(*prefix, sys.executable, "-I", str(DRIVE), str(path)),
                *(*([console] if console else []), *flags),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=popen.pop("stderr", None),
            **{"start_new_session": True, **popen},
        )
        running = Running(process, stack)
        self.started.append(running)
        return running

    def again(self, running: Running, **fields: Any) -> Running:
        return self.start_spec(replace(running.stack, **fields))

    def clean(self) -> None:
        for running in self.started:
            if running.process.poll() is None:
                running.process.kill()
            running.process.wait(PATIENCE_S)
            for stream in (running.process.stdout, running.process.stderr):
                if stream is not None:
                    stream.close()
