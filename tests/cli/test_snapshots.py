"""What people see, on terminals of two widths, against files that were looked at.

`OLLAMON_UPDATE=1` writes them anew; look at each before it is kept. `{32}` stands for a colour and
`{0}` for its end.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from ollamon import __version__
from tests.cli.scenes import SCENES

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "snapshots"
# Those of 16 that can be read on black and on white, and bold.
COLOURS = {"0", "1", "31", "32", "33", "34", "35", "36"}


def seen(columns: int, home: Path, *scenes: str, **environment: str) -> dict[str, str]:
    """Scene -> what a terminal gets."""
    spawned = pexpect.spawn(
        sys.executable,
        ["-m", "tests.cli.scenes", *scenes],
        cwd=str(ROOT),
        env={
            **{"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            **{"TERM": "xterm", "LANG": "C.UTF-8", **environment},
        },
        dimensions=(40, columns),
        encoding="utf-8",
        timeout=60,
    )
    spawned.expect(pexpect.EOF)
    spawned.close()
    assert spawned.exitstatus == 0, spawned.before
    parts = spawned.before.replace("\r\n", "\n").split("=== ")[1:]
    texts = dict(part.split("\n", 1) for part in parts)
    return {name: text.replace(__version__, "0.1.0") for name, text in texts.items()}


@pytest.fixture(scope="module", params=[80, 120])
def screens(request, tmp_path_factory) -> tuple[int, dict[str, str]]:
    return request.param, seen(request.param, tmp_path_factory.mktemp("home"), *SCENES)


def marked(text: str) -> str:
    return re.sub(r"\x1b\[([0-9;]*)m", r"{\1}", text)


@pytest.mark.parametrize("scene", SCENES)
def test_a_screen_is_as_it_was_looked_at(screens, scene):
    columns, texts = screens
    text = marked(texts[scene])
    file = FOLDER / f"{scene}.{columns}.txt"
    if os.environ.get("OLLAMON_UPDATE"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_it_fits_and_its_colours_suit_light_and_dark(file):
    text = file.read_text()
    assert set(re.findall(r"\{([0-9;]+)\}", text)) <= COLOURS
    columns = int(file.stem.rpartition(".")[2])
    commands = re.compile(r"→|Either|or      |[^ ]{60}")
    long = [
        line
        for line in re.sub(r"\{[0-9;]+\}", "", text).splitlines()
        if len(line) > columns and not commands.search(line)
    ]
    # What is to be copied is never cut or wrapped.
    assert long == []


def test_every_file_has_its_scene():
    files = {file.name for file in FOLDER.iterdir()}
    assert files == {f"{scene}.{columns}.txt" for scene in SCENES for columns in (80, 120)}


def test_without_colours_the_words_are_the_same(tmp_path):
    bare = seen(80, tmp_path, "start", NO_COLOR="1")["start"]
    assert bare == re.sub(r"\{[0-9;]+\}", "", (FOLDER / "start.80.txt").read_text())


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}])
def test_what_is_no_terminal_gets_colours_only_when_it_wants_them(tmp_path, variables):
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.scenes", "status"],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("\x1b[" in done.stdout) is ("FORCE_COLOR" in variables)
