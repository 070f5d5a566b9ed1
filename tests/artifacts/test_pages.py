"""The reference pages say everything, and the committed ones are current."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ollamon.artifacts import pages
from ollamon.artifacts.toml import flat
from ollamon.cli.root import root
from ollamon.config.model import Config
from ollamon.errors import OllamonError
from ollamon.metrics.catalog import CATALOG
from scripts.generate import files, main

ROOT = Path(__file__).parent.parent.parent
GENERATED = list(files())


def test_generated_files_are_current(capsys):
    assert main(ROOT, is_check=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_file_that_was_changed_by_hand_is_found(name, tmp_path, capsys):
    for each in GENERATED:
        (tmp_path / each).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(ROOT / each, tmp_path / each)
    assert main(tmp_path, is_check=True) == 0
    changed = tmp_path / name
    changed.write_text(changed.read_text() + " ")
    assert main(tmp_path, is_check=True) == 1
    assert capsys.readouterr().out == f"{name}: differs; run scripts/generate\n"
    assert main(tmp_path, is_check=False) == 0
    assert changed.read_text() == (ROOT / name).read_text()


def test_every_key_is_documented():
    text = pages.configuration()
    for path in flat(Config()):
        variable = "OLLAMON_" + path.upper().replace(".", "__")
        assert f"`{variable}`" in text


def test_every_metric_is_documented():
    text = pages.metrics()
    assert [metric.name for metric in CATALOG if f"| `{metric.name}`" not in text] == []


def test_every_exit_code_of_an_error_is_documented():
    codes = {kind.exit_code for kind in OllamonError.__subclasses__()}
    assert codes <= {code for code, _ in pages.EXIT_CODES}


def words_of(group: click.Group, name: str) -> Iterator[str]:
    with click.Context(group) as context:
        for word in group.list_commands(context):
            yield f"{name} {word}"
            if isinstance(inner := group.get_command(context, word), click.Group):
                yield from words_of(inner, f"{name} {word}")


def test_every_command_is_documented():
    text = (ROOT / "docs/cli.md").read_text()
    found = re.findall(r"^## (ollamon.*)$", text, re.MULTILINE)
    assert found == ["ollamon", *words_of(root, "ollamon")]
    assert {"ollamon up", "ollamon config init"} <= set(found)
    assert max(map(len, re.findall(r"```\n(.*?)```", text, re.DOTALL)[0].splitlines())) <= 80


def test_the_schema_is_json():
    assert json.loads(pages.schema())["additionalProperties"] is False
