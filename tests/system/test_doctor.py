"""The doctor beside real servers: what it says goes away when what it advises is done."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes import ollama
from tests.system.stack import OPENER, Stack, eventually, fetch, free_ports

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def stack(new_stack, tmp_path) -> Iterator[Stack]:
    """With somebody else's Ollama and somebody else's Prometheus, both real processes."""
    server, engine = free_ports(2)
    made = new_stack(f"http://127.0.0.1:{server}")
    made.ports |= {"ollama": server, "engine": engine}
    text = made.config.read_text()
    external = f'[prometheus]\nmode = "external"\nurl = "{made.url("engine")}"'
    made.config.write_text(text.replace("[prometheus]", external))
    environment = made.environment | {"OLLAMA_HOST": f"127.0.0.1:{server}"}
    program = ollama.install(tmp_path / "bin") / "ollama"
    with subprocess.Popen([program, "serve"], env=environment, cwd=made.home) as theirs:
        eventually(lambda: fetch(made.url("ollama", "/api/version")), "Ollama answers")
        yield made
        made.run("down", code=None)
        theirs.terminate()


@contextmanager
def prometheus(stack: Stack, folder: Path, job: str = "[]") -> Iterator[subprocess.Popen]:
    """A Prometheus that remembers nothing and scrapes what it is told."""
    file = folder / "prometheus.yml"
    write(file, job)
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/data"]
    listen = f"--web.listen-address={stack.listen('engine')}"
    with subprocess.Popen([*command, listen, "--log.level=error"]) as process:
        eventually(lambda: "Ready" in fetch(stack.url("engine", "/-/ready")), "it is ready")
        try:
            yield process
        finally:
            process.kill()


def write(file: Path, job: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"global: {{scrape_interval: 500ms}}\nscrape_configs:\n  {job}\n")


def found(stack: Stack, *checks: str) -> dict[str, str | None]:
    """Id -> fix of what is not fine."""
    words = [word for name in checks for word in ("--only", name)]
    document = json.loads(stack.run("doctor", "--json", *words, code=None))
    return {each["id"]: each["fix"] for each in document["findings"] if each["severity"] != "ok"}


def come_to(stack: Stack, expected: set[str], *checks: str) -> None:
    """Look until exactly this is found."""
    last: list[set[str]] = []

    def look() -> bool:
        last[:] = [set(found(stack, *checks))]
        return last == [expected]

    try:
        eventually(look, "the findings")
    except AssertionError:
        raise AssertionError(f"{last} instead of {expected}") from None


def test_what_is_advised_helps(stack, tmp_path):
    with prometheus(stack, tmp_path / "first") as process:
        stack.up()
        snippet = found(stack, "prometheus")["prometheus-no-target"]
        write(tmp_path / "first/prometheus.yml", snippet)
        process.send_signal(signal.SIGHUP)
        # The recorded Ollama has a model in memory.
        assert "clients-unseen" in found(stack, "clients")
        request = urllib.request.Request(stack.url("proxy", "/api/chat"), b'{"model":"tiny"}')
        with OPENER.open(request, timeout=30) as answer:
            assert b'"done":true' in answer.read()
        come_to(stack, set())
    drop = "metric_relabel_configs: [{source_labels: [__name__], regex: go_.*, action: keep}]"
    other = f"- {{job_name: mine, {snippet.partition(', ')[2][:-1]}, {drop}}}"
    with prometheus(stack, tmp_path / "second", other):
        come_to(stack, {"prometheus-job", "prometheus-names"}, "prometheus")
