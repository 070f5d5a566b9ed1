"""The quick way finds the same stack as the thorough one."""

import subprocess
import sys
from pathlib import Path

import pytest

from ollamon.config.files import read, shown
from ollamon.config.load import load
from ollamon.config.paths import folders
from ollamon.config.place import place
from ollamon.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("OLLAMON_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES = {
    "nothing": ("", None, {}),
    "a name in the file": ('name = "second"', None, {}),
    "a name by option": ('name = "second"', "third", {}),
    "a name by variable": ('name = "second"', None, {"OLLAMON_NAME": "fourth"}),
    "folders in the file": ('[paths]\nstate = "~/s"\nruntime = "/r"', None, {}),
    "folders by variable": ('[paths]\nstate = "~/s"', None, {"OLLAMON_PATHS__STATE": "/t"}),
    "an empty folder by variable": ('[paths]\nstate = "~/s"', None, {"OLLAMON_PATHS__STATE": ""}),
}


@pytest.mark.parametrize("case", CASES)
def test_it_agrees_with_the_whole_configuration(case, home):
    text, name, environment = CASES[case]
    (home / "ollamon.toml").write_text(text)
    found = place(None, name, environment)
    config = load(None, {"name": name} if name else {}, environment).config
    assert (found.name, found.folders) == (config.name, folders(config))


def test_a_mistake_elsewhere_does_not_keep_a_stack_from_being_found(home):
    (home / "ollamon.toml").write_text('name = "second"\n[proxy]\nlisen = 3\n')
    assert place(None, None, {}).name == "second"


@pytest.mark.parametrize(
    "text", ["name = 3", 'name = "No Name"', "paths = 3", "[paths]\nstate = 3", "[paths]\nx = ''"]
)
def test_a_mistake_in_name_or_folders_is_told(home, text):
    (home / "ollamon.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"ollamon\.toml:"):
        place(None, None, {})


def test_a_file_that_is_no_toml_is_told(home):
    (home / "ollamon.toml").write_text("name =")
    with pytest.raises(ConfigError, match="no valid TOML"):
        place(None, None, {})


def test_a_path_is_shown_as_people_type_it(home):
    assert shown(home / "me/a.toml") == "~/a.toml"
    (home / "a.toml").write_text("a = 1")
    assert read(Path("a.toml")) == "a = 1"


def test_it_needs_no_models():
    """Or `ollamon status` would take twice as long."""
    code = "import sys, ollamon.config.place; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
