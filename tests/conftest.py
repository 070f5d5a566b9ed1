import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest

from tests.fakes import llama
from tests.fakes.children import Child

# No test asserts how fast this machine is now.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def free_port() -> int:
    """A port that was free a moment ago; prefer to hand a socket over."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def new_child(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Make children that listen already, so that their addresses are known, and do not run yet."""
    with contextlib.ExitStack() as rests:

        def make(name: str, *sockets: str) -> Child:
            child = Child(name, tmp_path / f"{name}{len(list(tmp_path.glob(f'{name}*.log')))}.log")
            child.log.touch()
            rests.callback(child.clean_up)
            child.bind(*sockets)
            return child

        yield make


@pytest.fixture
def start_child(new_child: Callable[..., Child]) -> Callable[..., Child]:
    """Start `ollamon.NAME` with inherited sockets and wait until it is ready.

    The section may be a function of the child, whose addresses are known before it starts.
    """

    def start(
        name: str,
        section: Mapping[str, object] | Callable[[Child], Mapping[str, object]],
        *sockets: str,
    ) -> Child:
        child = new_child(name, *sockets)
        child.start(section(child) if callable(section) else section)
        child.wait_ready()
        return child

    return start


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that always answers the same 37 words: 38 tokens."""
    return llama.make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def loop_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same words without end: as many tokens as a request asks for."""
    return llama.make_model(tmp_path_factory.mktemp("model"), "--loop")


@pytest.fixture(scope="session")
def llama_server(tiny_model: Path) -> Iterator[str]:
    """Base URL of a real llama.cpp server with `tiny_model`."""
    with llama.serving(tiny_model) as url:
        yield url


@pytest.fixture(scope="session")
def llama_loop_server(loop_model: Path) -> Iterator[str]:
    """Base URL of a real llama.cpp server with `loop_model`."""
    with llama.serving(loop_model) as url:
        yield url


@pytest.fixture(scope="session")
def llama_embedding_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a real llama.cpp server that embeds."""
    model = llama.make_model(tmp_path_factory.mktemp("model"), "--embed")
    with llama.serving(model, "--embed") as url:
        yield url
