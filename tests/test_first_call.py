"""The first call of scripts/ollamon, with a `uv` that takes its time and downloads nothing."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
UV = """#!/bin/sh
echo "$1" >>"$CALLS"
if [ "$1" = venv ]; then
  mkdir -p .venv/bin
  printf '#!/bin/sh\\necho it runs "$@"\\n' >.venv/bin/ollamon
  chmod +x .venv/bin/ollamon
fi
[ "$2" != install ] || echo Collecting something
[ ! -e broken ] || { echo "no such package" >&2; exit 1; }
while [ -e slow ]; do sleep 0.05; done
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    scripts = tmp_path / "check out" / "scripts"
    scripts.mkdir(parents=True)
    for name in ("ollamon", "venv"):
        shutil.copy(SCRIPTS / name, scripts / name)
    (scripts / "lock.txt").write_text("one==1\ntwo==2\n")
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(UV)
    uv.chmod(0o755)
    return scripts.parent


@pytest.fixture
def environment(checkout: Path) -> dict[str, str]:
    path = f"{checkout.parent / 'bin'}:{os.environ['PATH']}"
    return {"PATH": path, "CALLS": str(checkout / "calls"), "HOME": str(checkout)}


@pytest.fixture
def call(checkout, environment) -> Callable[[], "subprocess.Popen[str]"]:
    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(checkout / "scripts" / "ollamon"), "status"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    return start


def calls(checkout: Path) -> list[str]:
    path = checkout / "calls"
    return path.read_text().split() if path.exists() else []


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_first_calls_set_up_once(checkout, call):
    (checkout / "slow").touch()
    first = call()
    wait_for(lambda: calls(checkout) == ["venv"])
    second = call()
    assert second.stderr.readline() == "ollamon: another call sets up .venv; waiting for it\n"
    (checkout / "slow").unlink()
    for process in (first, second):
        assert process.communicate(timeout=30)[0] == "it runs status\n"
    assert calls(checkout) == ["venv", "pip", "pip"]
    assert call().communicate(timeout=30) == ("it runs status\n", "")


def test_a_step_that_fails_says_why_and_the_next_call_begins_again(checkout, call):
    (checkout / "broken").touch()
    process = call()
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 7
    assert said.endswith("no such package\nollamon: cannot go on: making .venv failed\n")
    (checkout / "broken").unlink()
    assert call().communicate(timeout=30)[0] == "it runs status\n"


def test_ctrl_c_ends_it_with_one_line_and_the_job_with_it(checkout, environment):
    (checkout / "slow").touch()
    spawned = pexpect.spawn(
        str(checkout / "scripts" / "ollamon"), ["status"], env=environment, encoding="utf-8"
    )
    spawned.expect("making .venv", timeout=30)
    wait_for(lambda: calls(checkout) == ["venv"])
    spawned.sendintr()
    spawned.expect("stopped; the next call begins again", timeout=30)
    spawned.expect(pexpect.EOF, timeout=30)
    spawned.close()
    # Of the script itself, or of the shell around it, to which the terminal said it too.
    assert (spawned.exitstatus, spawned.signalstatus) in ((130, None), (None, signal.SIGINT))
    assert "Traceback" not in spawned.before
    assert not (checkout / ".venv" / ".made-in").exists()
    (checkout / "slow").unlink()


def test_progress_is_shown_in_a_terminal(checkout, environment):
    spawned = pexpect.spawn(
        str(checkout / "scripts" / "ollamon"), ["status"], env=environment, encoding="utf-8"
    )
    spawned.expect("installing packages: 1 of 2", timeout=30)
    spawned.expect("it runs status", timeout=30)
    spawned.close()


def test_a_killed_call_leaves_no_lock(checkout, call):
    (checkout / "slow").touch()
    process = call()
    wait_for(lambda: calls(checkout) == ["venv"])
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    (checkout / "slow").unlink()
    assert call().communicate(timeout=30)[0] == "it runs status\n"
