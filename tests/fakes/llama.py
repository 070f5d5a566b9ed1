"""Real inference for tests: the tiny model, and a llama.cpp server that runs it."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

TESTS = Path(__file__).parents[1]
ANSWER_TOKENS = 38
"""What one answer of the tiny model takes: 37 words and the end token."""


def make_model(folder: Path, *options: str) -> Path:
    """Write the tiny model and return its path; options are those of make_tiny_model.py."""
    path = folder / "tiny{}.gguf".format("".join(options))
    command = [sys.executable, str(TESTS / "make_tiny_model.py"), str(path), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return path


@contextmanager
def serving(model: Path, *options: str) -> Iterator[str]:
    """Serve a model on a port of its own and yield the base URL."""
    command = [sys.executable, str(TESTS / "fakes/serve_llama.py"), str(model), *options]
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        with child:
            try:
                yield _address(child, log)
            finally:
                child.kill()


def _address(child: subprocess.Popen[str], log: IO[bytes]) -> str:
    line = child.stdout.readline().strip()
    if not line.startswith("http"):
        log.seek(0)
        raise AssertionError(f"no llama.cpp server, but {line!r}: {log.read()[-2000:]!r}")
    return line
