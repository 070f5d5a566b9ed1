import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from ollamon.cli.session import Session
from ollamon.cli.shapes import SHAPES, Failure
from ollamon.supervisor.spec import ServiceSpec
from tests.cli.shape import misfits
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


@pytest.fixture(autouse=True)
def shapes_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold every object that a command prints in these tests against its shape."""
    answer, run = Session.answer, Stack.run

    def checked_answer(self: Session, document: Mapping[str, object], *, code: int = 0) -> None:
        context = click.get_current_context(silent=True)
        if self.is_json and context is not None:
            hold(context.command_path.partition(" ")[2], document)
        answer(self, document, code=code)

    def checked_run(self: Stack, *arguments: str, **options: Any) -> str:
        output = run(self, *arguments, **options)
        if "--json" in arguments and "-f" not in arguments:
            words = [word for word in arguments if not word.startswith("-")]
            document = json.loads(output)
            head = {key: document.pop(key) for key in ("v", "ok", "code")}
            assert head["ok"] is (head["code"] == 0)
            hold(next(name for name in (" ".join(words[:2]), words[0]) if name in SHAPES), document)
        return output

    monkeypatch.setattr(Session, "answer", checked_answer)
    monkeypatch.setattr(Stack, "run", checked_run)


def hold(command: str, document: Mapping[str, object]) -> None:
    # What `up --plan` says is for its supervisor alone.
    if command == "up" and "stack" in document:
        return
    shape = Failure if "error" in document else SHAPES[command]
    assert misfits(shape, dict(document)) == []
