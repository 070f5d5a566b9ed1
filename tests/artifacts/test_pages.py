"""The reference pages say everything, and the committed ones are current."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ollamon.artifacts import pages
from ollamon.artifacts.toml import flat
from ollamon.config.model import Config
from ollamon.errors import OllamonError
from ollamon.metrics.catalog import CATALOG

ROOT = Path(__file__).parent.parent.parent
GENERATED = (
    "prometheus.yml",
    *(f"docs/{name}" for name in ("cli.md", "configuration.md", "lifecycle.md", "metrics.md")),
    "docs/ollamon.schema.json",
)


def generate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import generate, pathlib; "
    call = "sys.exit(generate.main(pathlib.Path(sys.argv[2]), is_check='--check' in sys.argv))"
    command = [sys.executable, "-c", code + call, str(ROOT / "scripts"), str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_generated_files_are_current():
    done = generate(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_file_that_was_changed_by_hand_is_found(name, tmp_path):
    for each in GENERATED:
        (tmp_path / each).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / each, tmp_path / each)
    assert generate(tmp_path, "--check").returncode == 0
    changed = tmp_path / name
    changed.write_text(changed.read_text().replace("8001", "8003", 1) + " ")
    done = generate(tmp_path, "--check")
    assert done.returncode == 1
    assert done.stdout == f"{name}: differs; run scripts/generate\n"
    assert generate(tmp_path).returncode == 0
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


def test_every_command_is_documented():
    text = (ROOT / "docs/cli.md").read_text()
    found = re.findall(r"^## (ollamon.*)$", text, re.MULTILINE)
    assert found == [
        "ollamon",
        *(f"ollamon {name}" for name in ("up", "down", "status", "doctor", "restart", "logs")),
        "ollamon config",
        *(f"ollamon config {name}" for name in ("check", "init", "path", "show")),
        "ollamon helper",
        "ollamon helper sudoers",
        "ollamon version",
    ]
    assert max(map(len, re.findall(r"```\n(.*?)```", text, re.DOTALL)[0].splitlines())) <= 80


def test_the_schema_is_json():
    assert json.loads(pages.schema())["additionalProperties"] is False
