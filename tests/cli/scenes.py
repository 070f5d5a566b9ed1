"""Shows what people see, with numbers that never change: `python -m tests.cli.scenes NAME...`.

All but the numbers is real: views, words and colours, on the terminal that stdout is.
"""

import asyncio
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ollamon.cli import table
from ollamon.cli.checks.finding import Finding, Severity
from ollamon.cli.doctor import _show, _summary
from ollamon.cli.foreground import Foreground
from ollamon.cli.root import _tell
from ollamon.cli.screen import Screen
from ollamon.cli.session import Session
from ollamon.cli.up import with_engine
from ollamon.cli.upstream import Kind as UpstreamKind
from ollamon.cli.upstream import Upstream
from ollamon.config.model import Config
from ollamon.errors import PortInUseError
from ollamon.services import Note, Plan, digest
from ollamon.services import stack as plan_of
from ollamon.supervisor import preflight
from ollamon.supervisor.console import Console
from ollamon.supervisor.messages import (
    ChildState,
    Event,
    Health,
    Outsider,
    OutsideState,
    StackState,
    StackStatus,
)
from ollamon.supervisor.spec import Listen, LogSpec, ServiceSpec, StackSpec
from ollamon.supervisor.terminal import wants_colour
from tests.cli.test_table import DASHBOARD, NOW, PROMETHEUS, PROXY, STATUS

LOOK = Health(True, 2.1, "0.12.3")
URL = "http://127.0.0.1:11434"
READY = replace(
    STATUS,
    state=StackState.READY,
    outside=(Outsider("ollama", OutsideState.UP, NOW - 8040, LOOK, URL, "0.12.3"),),
    children=(
        PROXY,
        replace(PROXY, name="helper", pid=41210, ports=(8002,), note="", rss_bytes=14_000_000),
        replace(PROMETHEUS, state=ChildState.READY, health=PROXY.health),
        replace(PROXY, name="dashboard", pid=41231, ports=(3001,), note="3 pages open"),
    ),
)
PIDS = {"proxy": 41207, "helper": 41210, "prometheus": 41219, "dashboard": 41231}
LAST = ("Traceback (most recent call last):", "ModuleNotFoundError: No module named 'flask'")


def plan(*notes: Note) -> Plan:
    config = Config.model_validate({"helper": {"mode": "on"}})
    made = plan_of(
        config,
        file="~/.config/ollamon/ollamon.toml",
        digest=digest(config),
        find=lambda name: f"/usr/bin/{name}",
        has_ollama=lambda _: True,
    )
    return replace(made, notes=notes)


def ready(name: str, at: float) -> Event:
    return Event(NOW, at, name, "ready", pid=PIDS[name])


def show(events: list[Event], *notes: Note, logs: dict[str, str], status: StackStatus) -> None:
    """A foreground run in which these things happen."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        screen = Screen(loop, sys.stdout)
        made = plan(*notes)
        front = Foreground(made, screen, Session())
        names = [service.name for service in made.stack.services]
        colours = wants_colour(sys.stdout)
        console = Console(loop, screen.logs, names, is_coloured=colours)
        front.found(Upstream(UpstreamKind.OLLAMA, "http://127.0.0.1:11434", "0.12.3"))
        for event in events:
            front.show(event)
            is_verdict = event.state in ("ready", "degraded", "failed")
            if not event.child and is_verdict and front.conclude(event, status):
                for name, line in logs.items():
                    console.show(name, f"{line}\n".encode())
        screen.close()

    asyncio.run(play())


def a_start() -> None:
    show(
        [
            ready("proxy", 0.171),
            ready("helper", 0.243),
            ready("prometheus", 0.688),
            ready("dashboard", 1.2),
            Event(NOW, 1.3, "", "ready"),
            Event(NOW, 61, "", "stopping"),
            Event(NOW, 62, "", "stopping", "waiting for proxy (1 s of 30 s): 2 streams open"),
            Event(NOW, 61.1, "dashboard", "stopped"),
            Event(NOW, 61.2, "prometheus", "stopped"),
            Event(NOW, 61.3, "helper", "stopped"),
            Event(NOW, 68.4, "proxy", "stopped"),
            Event(NOW, 68.5, "", "stopped"),
        ],
        logs={
            "proxy": "POST /api/chat llama3.2:3b 200 1.9 s 212 tok 112 tok/s",
            "dashboard": "\x1b[33mWARNING\x1b[0m no history yet",
        },
        status=READY,
    )


def a_start_with_notes() -> None:
    show(
        [ready("proxy", 0.171), ready("dashboard", 1.2), Event(NOW, 1.3, "", "ready")],
        Note("config", "OLLAMA_HOST names this proxy, so ollama.url is http://127.0.0.1:11434"),
        Note("demo", "a simulated Ollama is watched; ollama.url is not used"),
        Note(
            "prometheus",
            "prometheus not found: history is kept in a file of the dashboard",
            "sudo apt install prometheus && sudo systemctl disable --now prometheus",
        ),
        logs={},
        status=READY,
    )


def a_crash_loop() -> None:
    down = replace(
        DASHBOARD, state=ChildState.FAILED, note="exit 1; 3 exits before it was ready", tail=LAST
    )
    show(
        [
            ready("proxy", 0.171),
            ready("prometheus", 0.688),
            Event(NOW, 0.9, "dashboard", "backoff", "exit 1, again in 0.2 s"),
            Event(NOW, 1.9, "dashboard", "backoff", "exit 1, again in 0.4 s"),
            Event(NOW, 2.9, "dashboard", "failed", "exit 1; 3 exits before it was ready"),
            Event(
                *(NOW, 3.0, "", "degraded"),
                "dashboard is failed (exit 1; 3 exits before it was ready)",
            ),
            Event(NOW, 300.0, "dashboard", "backoff", "exit 1, again in 0.2 s"),
            Event(NOW, 301.0, "dashboard", "ready", pid=41299),
        ],
        logs={"proxy": "GET /api/tags 200 3 ms"},
        status=replace(STATUS, children=(PROXY, down)),
    )


def a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listen = Listen("listen", "127.0.0.1", port, "prometheus.listen")
        service = ServiceSpec("prometheus", (sys.executable,), None, (listen,))
        stack = StackSpec("default", (service,), Path(), Path(), LogSpec(Path(), 1, 1))
        try:
            preflight.check(stack)
        except PortInUseError as error:
            # The owner is this test, under whatever name, and the ports are any.
            text = re.sub(
                r"pid \d+ .*", "pid 2211  prometheus  (user prometheus, since 3 days)", str(error)
            )
            text = re.sub(r"kill \d+", "kill 2211", text.replace(str(port), "9090"))
            text = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:9091", text)
            error = PortInUseError(with_engine(text, "http://127.0.0.1:9090"))
            _tell(error, is_json=False, outcome="")


def a_status(status: StackStatus) -> None:
    Session().say(table.lines_of(status, NOW, Session().style()))


def a_doctor() -> None:
    session, seen = Session(), []

    def finding(check: str, severity: Severity, evidence: str, fix: str = "") -> Finding:
        return Finding(check, check, severity, evidence, fix)

    def found() -> Iterator[Finding]:
        yield finding("python", Severity.OK, "3.11.7, ~/.venv/bin/python")
        yield finding("config", Severity.OK, "~/.config/ollamon/ollamon.toml")
        yield finding(
            "ollama",
            Severity.WARN,
            "0.12.3 on 127.0.0.1:11434; OLLAMA_HOST=0.0.0.0 in its unit: everybody in your network "
            "can use it, past the proxy",
            "sudo systemctl edit ollama   # Environment=OLLAMA_HOST=127.0.0.1:11434",
        )
        yield finding(
            *("helper", Severity.PROBLEM, "sudo would ask for a password: no power can be read"),
            "ollamon helper install",
        )

    _show(session, found(), seen)
    session.say(_summary(1, 1, session.style()))


SCENES = {
    "start": a_start,
    "start-with-notes": a_start_with_notes,
    "crash-loop": a_crash_loop,
    "taken-port": a_taken_port,
    "status": lambda: a_status(READY),
    "status-degraded": lambda: a_status(STATUS),
    "doctor": a_doctor,
}

if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(f"=== {name}\n")
        sys.stdout.flush()
        SCENES[name]()
        sys.stdout.flush()
