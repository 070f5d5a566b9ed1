import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import openai
import pytest

from tests.system.stack import Stack


@pytest.fixture
def new_stack() -> Iterator[Callable[..., Stack]]:
    """Make stacks whose rests are killed after the test."""
    with ExitStack() as at_end:

        def make(upstream: str, extra: str = "") -> Stack:
            # pytest's own folders are too deep for a socket's path.
            home = Path(at_end.enter_context(TemporaryDirectory(prefix="ollamon-")))
            stack = Stack(home, upstream, extra)
            at_end.callback(stack.assert_no_traceback)
            at_end.callback(stack.assert_gone)
            at_end.callback(stack.kill_all)
            return stack

        yield make


@pytest.fixture
def path_without_prometheus(tmp_path: Path) -> str:
    """A PATH on which everything but Prometheus is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("sh", "env", "uname"):
        (folder / program).symlink_to(shutil.which(program))
    return str(folder)


@contextmanager
def client_of(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def chat(base_url: str, *, usage: bool = True, tokens: int | None = None) -> str:
    """Stream one chat with the real client and return its text."""
    options = {"stream_options": {"include_usage": True}} if usage else {}
    with client_of(base_url) as client:
        stream = client.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            max_tokens=tokens,
            **options,
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
