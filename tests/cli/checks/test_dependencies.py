import re
from importlib import metadata
from pathlib import Path

import pytest

from ollamon.cli.checks import dependencies
from ollamon.cli.checks.minima import MINIMA
from ollamon.cli.checks.numbers import numbers_of
from tests.cli.checks.conftest import one

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_what_is_installed_here_is_new_enough(world):
    finding = one(dependencies.check(world()))
    assert finding.evidence == f"{len(MINIMA)} with a security minimum, none below it"


def test_an_old_library_is_named_with_its_hole(world, monkeypatch):
    def version(name: str) -> str:
        if name == "requests":
            raise metadata.PackageNotFoundError
        return "3.13.2" if name == "aiohttp" else "99.0" if name == "flask" else "unknown"

    monkeypatch.setattr(metadata, "version", version)
    finding = one(dependencies.check(world()))
    assert finding.id == "dependencies-old"
    assert finding.evidence == "aiohttp 3.13.2 is older than 3.13.3: " + MINIMA["aiohttp"][1]
    assert finding.fix.endswith(" -m pip install -U 'aiohttp>=3.13.3'")


def test_every_reason_of_the_project_file_is_taken():
    assert len(re.findall("# security: ", PYPROJECT.read_text())) == len(MINIMA) > 3


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        *(
            ("1.2.3", (1, 2, 3)),
            ("v1.2", (1, 2, 0)),
            ("2026.10.11549", ()),
            ("1.2.3-rc1", (1, 2, 3)),
        ),
        *(("1.2.3.4", (1, 2, 3)), ("1", ()), ("x", ()), ("", ())),
    ],
)
def test_versions_are_compared_by_their_numbers(text, numbers):
    assert numbers_of(text) == numbers
