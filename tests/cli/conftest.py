import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ollamon.supervisor.spec import ServiceSpec
from tests.supervisor.conftest import stacks
from tests.supervisor.harness import Running, Stacks
from tests.system.stack import Stack

__all__ = ["stacks"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: a socket lies in it, and its path is limited."""
    with tempfile.TemporaryDirectory(prefix="oll") as folder:
        yield Path(folder)


@pytest.fixture
def stack(home: Path) -> Iterator[Stack]:
    """Proxy and dashboard alone, in front of nobody; not started."""
    made = Stack(home, "http://127.0.0.1:9")
    change(made, "[prometheus]", '[prometheus]\nmode = "embedded"')
    yield made
    made.run("down", code=None)
    made.kill_all()
    made.assert_gone()


def change(stack: Stack, before: str, after: str) -> None:
    text = stack.config.read_text()
    assert before in text
    stack.config.write_text(text.replace(before, after))


@pytest.fixture
def invoke(home: Path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; return exit code, stdout, stderr."""
    for name in list(os.environ):
        if name.startswith(("OLLAMON_", "XDG_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.chdir(home)

    def call(*words: str) -> tuple[int, str, str]:
        from ollamon.cli.root import run

        code = run(words)
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


@pytest.fixture
def running(
    stacks: Stacks, invoke: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Running]:
    """Start a stack of fake children that `invoke` finds, and wait until it is ready."""

    def start(*services: ServiceSpec) -> Running:
        spec = stacks.spec(*services)
        monkeypatch.setenv("OLLAMON_PATHS__RUNTIME", str(spec.runtime))
        monkeypatch.setenv("OLLAMON_PATHS__STATE", str(spec.state))
        monkeypatch.setenv("OLLAMON_PATHS__LOGS", str(spec.log.folder))
        return stacks.start_spec(spec).ready()

    return start
