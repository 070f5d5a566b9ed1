"""One place turns errors into words and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ollamon import __version__
from ollamon.cli.root import COMMANDS, run
from ollamon.cli.session import Session, style_of

MAIN = [sys.executable, "-m", "ollamon.cli"]


def test_help_lists_every_command(invoke):
    code, out, _ = invoke("--help")
    assert code == 0
    assert [line.split()[0] for line in out.split("Commands:\n")[1].splitlines()] == list(COMMANDS)


def test_every_command_has_help_that_fits(invoke):
    for name in COMMANDS:
        code, out, _ = invoke(name, "-h")
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("words", [[], ["config"], ["helper"], ["service"]])
def test_no_summary_is_cut(invoke, words):
    assert "..." not in invoke(*words, "-h")[1].split("Commands:\n")[1]


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_version_is_said(invoke, words):
    code, out, _ = invoke(*words)
    assert code == 0
    assert out.startswith(f"ollamon {__version__}")


@pytest.mark.parametrize("words", [["--json", "version"], ["version", "--json"]])
def test_json_may_stand_before_and_behind_the_command(invoke, words):
    code, out, err = invoke(*words)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert (document["v"], document["ok"], document["version"]) == (1, True, __version__)


@pytest.mark.parametrize("words", [["nope"], ["up", "--nope"], ["logs", "-n", "x"], []])
def test_wrong_arguments_are_two(invoke, words):
    code, out, err = invoke(*words)
    assert (code, out) == (2, "")
    assert "Usage: ollamon" in err


def test_wrong_arguments_are_one_object_too(invoke):
    code, out, err = invoke("up", "--nope", "--json")
    assert (code, err) == (2, "")
    document = json.loads(out)
    assert (document["ok"], document["code"], document["error"]["kind"]) == (False, 2, "usage")


def test_every_mistake_of_the_file_is_told_and_counted(invoke, home):
    (home / "ollamon.toml").write_text("[proxy]\nlisen = 1\n[log]\nkeep = 0\n")
    code, out, err = invoke("up")
    assert (code, out) == (78, "")
    lines = err.splitlines()
    assert lines[0] == ("error: ~/ollamon.toml:2:1: proxy.lisen: unknown key, did you mean listen?")
    assert lines[1] == "    2 │ lisen = 1"
    assert lines[-1] == "2 errors. Nothing was started."
    assert invoke("config", "check")[2].endswith("\n2 errors.\n")


def test_mistakes_are_one_object_too(invoke, home):
    (home / "ollamon.toml").write_text("[proxy]\nlisen = 1\n")
    code, out, _ = invoke("--json", "up")
    assert code == 78
    document = json.loads(out)
    assert document["code"] == 78
    assert document["error"]["kind"] == "config"
    assert document["error"]["problems"] == [
        {
            "where": "~/ollamon.toml:2:1",
            "message": "proxy.lisen: unknown key, did you mean listen?",
        }
    ]


def crash(home, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose code has a defect."""
    code = (
        "import sys, ollamon.cli.version as module\n"
        "module.platform = None\n"
        f"sys.argv = ['ollamon', 'version', *{words!r}]\n"
        "from ollamon.cli import main\n"
        "sys.exit(main())\n"
    )
    variables = {"HOME": str(home), "PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False
    )


def test_a_defect_is_one_line_and_a_file(home):
    done = crash(home)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: AttributeError: 'NoneType' object has no attribute")
    path = Path(line.rpartition(" ")[2])
    assert "Traceback (most recent call last)" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_defect_is_one_object_too(home):
    done = crash(home, "--json")
    assert json.loads(done.stdout)["error"]["kind"] == "defect"


def test_a_defect_is_shown_whole_to_who_wants_it(home):
    assert "Traceback (most recent call last)" in crash(home, OLLAMON_DEBUG="1").stderr


def test_a_reader_that_leaves_gets_no_complaint(home):
    """As in `ollamon config show | head -1`."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [*MAIN, "config", "show"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_terminal_that_knows_no_check_mark_gets_something_else(home):
    done = subprocess.run(
        [*MAIN, "doctor"],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert b" ? python " in done.stdout


def test_status_imports_nothing_heavy(home):
    """Its 150 ms are mostly imports."""
    code = (
        "import sys\n"
        "from ollamon.cli.root import run\n"
        "code = run(['status'])\n"
        "heavy = {'pydantic', 'asyncio', 'psutil', 'platformdirs', 'http.client', 'subprocess'}\n"
        "print(code, sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "3 []\n"


def test_no_color_is_told_to_the_children_too(invoke, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in invoke("doctor")[1]
    assert "\x1b[" not in invoke("--no-color", "doctor")[1]
    assert os.environ["NO_COLOR"] == "1"


def test_what_is_no_terminal_gets_no_colour(monkeypatch, tmp_path):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with (tmp_path / "x").open("w") as file:
        assert not style_of(file).is_coloured
    assert Session(is_json=True).stream is sys.stderr
    assert run(["--json", "--version"]) == 0
