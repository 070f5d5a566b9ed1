"""A whole stack for a test: temporary home, free ports, the real command line."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

PATIENCE_S = 60
NAMES = ("proxy", "metrics", "helper", "prometheus", "dashboard", "demo")
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def eventually(look: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Look until it is true and return it; a refused connection counts as not yet."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            seen = look()
        except OSError as error:
            seen, last = None, repr(error)
        else:
            last = repr(seen)
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience_s} s: {what}; last: {last}")
        time.sleep(0.05)


def fetch(url: str) -> str:
    with OPENER.open(url, timeout=10) as answer:
        return answer.read().decode()


def command_line(process: psutil.Process) -> str:
    """What runs; "" when it ended while we looked, so that the next look does not find it."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@dataclass
class Stack:
    """One stack that is not running yet."""

    home: Path
    upstream: str
    extra: str = ""
    ports: dict[str, int] = field(
        default_factory=lambda: dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    )

    def __post_init__(self) -> None:
        self.config = self.home / "ollamon.toml"
        self.config.write_text(
            f"""
            [ollama]
            # Whoever tests may have an Ollama that "auto" would start.
            mode = "external"
            url = "{self.upstream}"
            [proxy]
            listen = "{self.listen("proxy")}"
            metrics_listen = "{self.listen("metrics")}"
            drain_timeout = "2s"
            [metrics]
            host_interval = "1s"
            [helper]
            listen = "{self.listen("helper")}"
            interval = "2s"
            [prometheus]
            listen = "{self.listen("prometheus")}"
            scrape_interval = "1s"
            [dashboard]
            listen = "{self.listen("dashboard")}"
            interval = "1s"
            [demo]
            listen = "{self.listen("demo")}"
            {self.extra}
            """
        )
        self.environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "OLLAMON_CONFIG": str(self.config),
            "LANG": "C.UTF-8",
            **{
                name: value
                for name, value in os.environ.items()
                if name.startswith(("COVERAGE", "COV_"))
            },
        }

    def listen(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def url(self, name: str, path: str = "") -> str:
        return f"http://{self.listen(name)}{path}"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ollamon.cli", *arguments]

    def run(self, *arguments: str, code: int | None = 0, **environment: str) -> str:
        """Run a command to its end and return what it printed on stdout."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment | environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
        )
        if code is not None:
            assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        self.last_error = done.stderr
        return done.stdout

    def up(self, *arguments: str) -> str:
        return self.run("up", "-d", "--wait", *arguments)

    def status(self) -> dict:
        return json.loads(self.run("status", "--json", code=None))

    def children(self) -> dict[str, dict]:
        return {child["name"]: child for child in self.status()["children"]}

    def metrics(self) -> str:
        return fetch(self.url("metrics", "/metrics"))

    def samples(self) -> list[tuple[str, dict, float]]:
        text = self.metrics()
        return [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def total(self, name: str, **labels: str) -> float | None:
        """The sum of a metric's samples with these labels; None when there is none."""
        values = [
            value
            for found, its, value in self.samples()
            if found == name and labels.items() <= its.items()
        ]
        return sum(values) if values else None

    def query(self, expression: str) -> list[dict]:
        """Ask Prometheus."""
        text = urllib.parse.urlencode({"query": expression})
        answer = json.loads(fetch(self.url("prometheus", f"/api/v1/query?{text}")))
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def rules(self) -> list[dict]:
        """The rules that Prometheus has loaded."""
        answer = json.loads(fetch(self.url("prometheus", "/api/v1/rules")))
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    def history(self, name: str) -> dict:
        return json.loads(fetch(self.url("dashboard", f"/api/history?range={name}")))

    def tick(self) -> dict:
        return json.loads(fetch(self.url("dashboard", "/api/metrics")))

    def processes(self) -> Iterator[psutil.Process]:
        """Living processes of this stack: they inherited its home."""
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("HOME") == str(self.home)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    yield process
            except psutil.Error:
                continue

    def listeners(self) -> list[str]:
        """Names of the ports on which somebody answers."""
        found = []
        for name in self.ports:
            try:
                socket.create_connection(("127.0.0.1", self.ports[name]), timeout=5).close()
            except OSError:
                continue
            found.append(name)
        return found

    def left_over(self) -> list[str]:
        """What should not be there any more."""
        return [*self.listeners(), *filter(None, map(command_line, self.processes()))]

    def assert_gone(self, patience_s: float = PATIENCE_S) -> None:
        try:
            eventually(lambda: not self.left_over(), "nothing left", patience_s)
        except AssertionError:
            raise AssertionError(f"still there: {self.left_over()}") from None

    def assert_no_traceback(self) -> None:
        """Nothing that ran has written one, on screen or into a log."""
        guilty = [log for log in self.home.rglob("*.log") if "Traceback" in log.read_text()]
        assert not guilty, guilty[0].read_text()

    def kill_all(self) -> None:
        """For the end of a test that failed half-way."""
        for process in list(self.processes()):
            try:
                process.kill()
            except psutil.Error:
                continue
