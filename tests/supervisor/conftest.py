import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.harness import Stacks


@pytest.fixture
def stacks() -> Iterator[Stacks]:
    # Not tmp_path: the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="ollamon-"))
    made = Stacks(folder)
    try:
        yield made
    finally:
        made.clean()
        shutil.rmtree(folder, ignore_errors=True)
