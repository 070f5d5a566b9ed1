"""A supervisor of another version runs: it is named, and it can be stopped."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ollamon import __version__
from ollamon.cli.running import require_same
from ollamon.errors import AlreadyRunningError
from ollamon.supervisor.spec import LogSpec, StackSpec
from tests.cli.test_table import STATUS
from tests.fakes import old_supervisor

OTHER_PROTOCOL = json.dumps({"v": 0, "id": 1, "ok": True, "data": {}})
OTHER_SHAPE = json.dumps(
    {"v": 1, "id": 1, "ok": True, "data": {"version": old_supervisor.VERSION, "children": []}}
)


@pytest.fixture
def old(home: Path, monkeypatch) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    started = []

    def start(answer: str) -> "subprocess.Popen[str]":
        runtime = home / "run"
        monkeypatch.setenv("OLLAMON_PATHS__RUNTIME", str(runtime))
        command = [sys.executable, old_supervisor.__file__, str(runtime), answer]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("answer", [OTHER_PROTOCOL, OTHER_SHAPE])
@pytest.mark.parametrize("word", ["status", "up", "restart", "wait"])
def test_it_is_named_with_its_version(invoke, old, answer, word):
    old(answer)
    code, out, err = invoke(word, "--json")
    assert code == 4, err
    error = json.loads(out)["error"]
    assert error["kind"] == "other_version"
    assert f"is ollamon {old_supervisor.VERSION}, this command is {__version__}" in error["message"]
    assert "Stop it with  ollamon down" in err


def test_the_protocol_is_named_when_it_is_another(invoke, old):
    old(OTHER_PROTOCOL)
    assert "protocol 0 instead of 1" in invoke("status")[2]


def test_it_can_be_stopped_all_the_same(invoke, old):
    process = old(OTHER_PROTOCOL)
    code, out, _ = invoke("down")
    assert (code, out) == (0, "Stopped a supervisor of another version of ollamon.\n")
    assert process.wait(10) == 0
    assert invoke("down")[0] == 0


def test_one_of_the_same_protocol_is_not_taken_for_ours():
    stack = StackSpec("x", (), Path(), Path(), LogSpec(Path(), 1, 1), config_digest="d")
    with pytest.raises(AlreadyRunningError, match=r"as ollamon 0\.4\.0; this is"):
        require_same(replace(STATUS, version="0.4.0"), stack)
