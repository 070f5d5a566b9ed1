"""`ollamon up` in a terminal."""

import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from ollamon.cli.foreground import addresses_of, first_lines, mark_of, ready_lines
from ollamon.cli.supervise import FAILED, supervise
from ollamon.cli.words import Mark, Style
from ollamon.config.model import Config
from ollamon.services import Note, digest
from ollamon.services import stack as plan_of
from ollamon.supervisor.messages import Event
from tests.cli.conftest import change
from tests.system.stack import eventually

DRIVE = Path(__file__).parent / "drive.py"


def drive(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DRIVE), str(folder), *flags],
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": ".", "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_its_essential_child_a_start_fails_whole(home):
    done = drive(home, "--print", "cannot find the answer", "--crash", "78")
    assert done.returncode == FAILED
    assert " ✗ proxy        failed" in done.stdout
    assert "error: not all ready: proxy is failed" in done.stdout
    assert "         cannot find the answer\n" in done.stdout
    assert "proxy      │" not in done.stdout
    assert supervise.__doc__ is not None


@pytest.fixture
def terminal(stack):
    """`up` on a terminal of 80 columns."""
    opened = []

    def start(*words: str) -> pexpect.spawn:
        command, *arguments = stack.command("up", *words)
        spawned = pexpect.spawn(
            command,
            arguments,
            env=stack.environment | {"TERM": "xterm"},
            cwd=str(stack.home),
            dimensions=(40, 80),
            timeout=60,
            encoding="utf-8",
        )
        opened.append(spawned)
        return spawned

    yield start
    for spawned in opened:
        spawned.close(force=True)


def plain(text: str) -> list[str]:
    for code in ("\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[0m"):
        text = text.replace(code, "")
    return text.splitlines()


@pytest.mark.fault(20)
def test_the_start_view_fits_and_ctrl_c_is_130(stack, terminal):
    spawned = terminal()
    spawned.expect(r"Ctrl-C stops everything\.")
    text = "\n".join(plain(spawned.before))
    assert text.splitlines()[0].startswith("ollamon 0.1.0  default  ~/ollamon.toml")
    assert " ✓ proxy        ready  pid " in text
    assert " ✓ dashboard    ready  pid " in text
    assert " ! ollama       cannot reach Ollama at http://127.0.0.1:9" in text
    assert f"Point your clients at {stack.url('proxy')}." in text
    assert max(map(len, text.splitlines())) <= 80
    spawned.expect("dashboard  │ ")
    spawned.sendintr()
    spawned.expect("All stopped in ")
    spawned.expect(pexpect.EOF)
    assert spawned.before.strip().endswith("s.")
    spawned.close()
    assert spawned.exitstatus == 130
    stack.assert_gone()


def test_down_ends_a_foreground_run_with_zero(stack, terminal):
    browser, opened = stack.home / "browser", stack.home / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" >{opened}\n')
    browser.chmod(0o755)
    stack.environment["BROWSER"] = str(browser)
    spawned = terminal("--no-logs", "--open")
    spawned.expect("All ready in ")
    eventually(lambda: opened.exists() and opened.read_text(), "the page is opened")
    assert opened.read_text() == f"{stack.url('dashboard')}\n"
    assert "stopped" in stack.run("down")
    spawned.expect(pexpect.EOF)
    assert "│" not in spawned.before
    spawned.close()
    assert spawned.exitstatus == 0


def test_a_foreground_run_goes_on_without_what_is_not_essential(stack, terminal):
    broken = stack.home / "prometheus"
    broken.write_text("#!/bin/sh\necho 'cannot open storage' >&2\nexit 2\n")
    broken.chmod(0o755)
    change(stack, 'mode = "embedded"', f'mode = "managed"\nbinary = "{broken}"')
    spawned = terminal()
    spawned.expect("error: not all ready: prometheus is failed")
    spawned.expect("cannot open storage")
    spawned.expect("The rest runs and goes on trying")
    states = {name: child["state"] for name, child in stack.children().items()}
    assert states == {"proxy": "ready", "prometheus": "failed", "dashboard": "ready"}
    table = stack.run("status", code=5)
    assert "last line: cannot open storage" in table


def test_notes_stand_before_the_children():
    plan = plan_of(Config(), file="", digest=digest(Config()), find=lambda _: None)
    lines = list(first_lines(plan, Style()))
    assert lines[0].endswith("no configuration file, all defaults")
    assert lines[2].startswith(" ! prometheus   prometheus not found: the dashboard keeps")
    assert addresses_of(plan)["dashboard"] == "http://127.0.0.1:3001"
    assert mark_of(Note("helper", "one answers already")) is Mark.EXTERNAL
    assert mark_of(Note("demo", "a simulated Ollama")) is Mark.EXTERNAL
    assert mark_of(Note("config", "OLLAMA_HOST names this proxy")) is Mark.WARN
    ready = ready_lines(plan, Event(0, 1.3, "", "ready"), "Ctrl-C stops everything.")
    assert ready[1] == "All ready in 1.3 s. Point your clients at http://127.0.0.1:11435."
