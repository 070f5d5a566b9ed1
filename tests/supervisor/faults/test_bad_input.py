"""What lies in the runtime folder may be anything: clear words, and nobody is harmed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ollamon.supervisor import identity, messages, state
from tests.supervisor.harness import service


@pytest.fixture
def stranger() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"], env={**os.environ, "OLLAMON_RUN_ID": ""}) as process:
        yield process.pid
        assert process.poll() is None, "the stranger was harmed"
        process.kill()


def document(stranger: int) -> dict[str, Any]:
    """A file of a dead run, whose only child has the pid and the start time of a stranger."""
    return {
        **{"v": 1, "version": "1", "run_id": "0badc0de", "boot_id": identity.boot_id()},
        **{"pid": 2**22 - 1, "started": 1.0, "config_file": "", "config_digest": ""},
        "children": [
            {
                **{"name": "proxy", "state": "ready", "since": 0.0, "restarts": 0},
                **{"pid": stranger, "pgid": stranger, "started": identity.start_time(stranger)},
                "ports": [],
            }
        ],
    }


WRONG = (None, True, -1, 0, 1, 2**70, 1.5, float("nan"), "1", "x", "../1", [], [1], {}, {"a": 1})


def changed(stranger: int) -> Iterator[str]:
    """The file with every value replaced by every wrong one."""
    whole = document(stranger)
    for key in whole:
        for value in WRONG:
            yield json.dumps({**whole, key: value})
        yield json.dumps({name: value for name, value in whole.items() if name != key})
    (child,) = whole["children"]
    for key in child:
        for value in WRONG:
            yield json.dumps({**whole, "children": [{**child, key: value}]})
    yield json.dumps({**whole, "more": 1})
    yield "[" * 100_000
    yield "\x00\xff"


def cut(stranger: int) -> Iterator[str]:
    text = json.dumps(document(stranger), indent=1)
    yield from (text[:size] for size in range(len(text)))


@pytest.mark.fault(28)
@pytest.mark.parametrize("make", [changed, cut])
def test_no_run_json_makes_a_stranger_ours(tmp_path, stranger, make):
    for text in make(stranger):
        (tmp_path / messages.RUN_NAME).write_text(text)
        assert state.remains(tmp_path).leftovers == [], text


def spoil_run(runtime: Path) -> None:
    (runtime / messages.RUN_NAME).write_text('{"v": 1, "children": [{"pid"')


def spoil_with_folders(runtime: Path) -> None:
    (runtime / messages.RUN_NAME).mkdir()


def spoil_socket(runtime: Path) -> None:
    (runtime / messages.SOCKET_NAME).write_text("no socket")


def spoil_lock(runtime: Path) -> None:
    (runtime / messages.LOCK_NAME).write_text("pid of nobody\n" * 100)


SPOILT = [spoil_run, spoil_with_folders, spoil_socket, spoil_lock]


@pytest.mark.parametrize("spoil", SPOILT)
def test_rubbish_in_the_folder_keeps_nobody_from_starting_and_stopping(stacks, spoil):
    spec = stacks.spec(service("proxy"))
    state.prepare(spec.runtime)
    spoil(spec.runtime)
    stack = stacks.start_spec(spec, stderr=subprocess.PIPE).ready()
    assert stack.stop() == 0
    assert stack.process.stderr is not None
    assert stack.process.stderr.read() == b""


@pytest.mark.parametrize("name", [messages.LOCK_NAME, messages.SOCKET_NAME])
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_cannot_be_used_is_said(stacks, name, kind):
    spec = stacks.spec(service("proxy"))
    state.prepare(spec.runtime)
    path, aim = spec.runtime / name, stacks.folder / "aim"
    aim.write_text("untouched\n")
    path.mkdir() if kind == "folder" else path.symlink_to(aim)
    stack = stacks.start_spec(spec, stderr=subprocess.PIPE)
    if (name, kind) == (messages.SOCKET_NAME, "link"):
        # The link alone is replaced.
        assert stack.ready().stop() == 0
    else:
        assert stack.ended() == 1
        assert stack.process.stderr is not None
        said = stack.process.stderr.read().decode()
        assert said.startswith("runtime_folder: cannot ")
        assert str(spec.runtime) in said
        assert "Traceback" not in said
    assert aim.read_text() == "untouched\n"


def ollamon(*words: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ollamon.cli", *words],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("word", ["status", "down"])
def test_the_command_line_takes_rubbish_for_a_stack_that_is_not_there(stacks, spoil, word):
    runtime = stacks.folder / "run"
    state.prepare(runtime)
    spoil(runtime)
    done = ollamon(
        word, cwd=stacks.folder, HOME=str(stacks.folder), OLLAMON_PATHS__RUNTIME=str(runtime)
    )
    assert done.returncode == (3 if word == "status" else 0), done.stderr
    assert "not running" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.fault(47)
def test_without_home_and_runtime_folder_it_finds_its_places(stacks):
    done = ollamon("config", "path", cwd=stacks.folder)
    assert done.returncode == 0, done.stderr
    runtime = stacks.folder / ("x" * 120)
    done = ollamon(
        "up", "-d", cwd=stacks.folder, HOME=str(stacks.folder), OLLAMON_PATHS__RUNTIME=str(runtime)
    )
    assert done.returncode == 1
    assert "set [paths] runtime to a shorter one" in done.stderr
