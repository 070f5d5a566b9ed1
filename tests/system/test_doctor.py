"""The doctor beside real servers: what it says goes away when what it advises is done."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

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
def prometheus(stack: Stack) -> Iterator[subprocess.Popen]:
    """A Prometheus that knows nothing of us yet."""
    folder = stack.home / "engine"
    folder.mkdir()
    file = folder / "prometheus.yml"
    file.write_text("scrape_configs: []\n")
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/data"]
    listen = f"--web.listen-address={stack.listen('engine')}"
    with subprocess.Popen([*command, listen, "--log.level=error"]) as process:
        eventually(lambda: "Ready" in fetch(stack.url("engine", "/-/ready")), "it is ready")
        try:
            yield process
        finally:
            process.kill()


def scrape(stack: Stack, process: subprocess.Popen, job: str) -> None:
    text = f"global: {{scrape_interval: 500ms}}\nscrape_configs:\n{job}\n"
    (stack.home / "engine/prometheus.yml").write_text(text)
    os.kill(process.pid, signal.SIGHUP)


def found(stack: Stack, *checks: str) -> dict[str, str | None]:
    """Id -> fix of what is not fine."""
    words = [word for name in checks for word in ("--only", name)]
    document = json.loads(stack.run("doctor", "--json", *words, code=None))
    return {each["id"]: each["fix"] for each in document["findings"] if each["severity"] != "ok"}


def test_what_is_advised_helps(stack):
    with prometheus(stack) as process:
        stack.up()
        snippet = found(stack, "prometheus")["prometheus-no-target"]
        scrape(stack, process, snippet)
        clients_that_go_past_are_found_until_they_do_not(stack)
        eventually(lambda: found(stack) == {}, "nothing is wrong any more")
        drop = "metric_relabel_configs: [{source_labels: [__name__], regex: go_.*, action: keep}]"
        other = f"- {{job_name: mine, {snippet.partition(', ')[2][:-1]}, {drop}}}"
        scrape(stack, process, other)
        missing = {"prometheus-job", "prometheus-names"}
        eventually(lambda: set(found(stack, "prometheus")) == missing, "job and names are missed")


def clients_that_go_past_are_found_until_they_do_not(stack: Stack) -> None:
    # The recorded Ollama has a model in memory.
    assert "clients-unseen" in found(stack, "clients")
    request = urllib.request.Request(stack.url("proxy", "/api/chat"), b'{"model":"tiny"}')
    with OPENER.open(request, timeout=30) as answer:
        assert b'"done":true' in answer.read()
    eventually(lambda: found(stack, "clients") == {}, "a request has passed")
