"""`ollamon run`: one child with the wiring of the supervisor."""

import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ollamon.cli import shapes
from ollamon.cli.run import command
from ollamon.errors import PortInUseError, ProgramMissingError
from ollamon.supervisor import alone
from tests.cli.shape import misfits
from tests.supervisor.harness import carriers, fetch, free_port, service, words
from tests.system.stack import Stack, eventually
from tests.system.stack import fetch as get

HERE = Path(__file__)
CODE = """
import os, pickle, sys
from ollamon.supervisor import alone
stack = pickle.load(open(sys.argv[1], "rb"))
sys.exit(alone.run(stack, 1, lambda word: os.write(2, word.encode() + b"\\n")))
"""


def start(stacks, *flags: str, **fields) -> "subprocess.Popen[str]":
    path = stacks.folder / "spec"
    path.write_bytes(pickle.dumps(stacks.spec(service("one", *flags, **fields))))
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE.parents[2],
    )


def ready(process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line == "READY=1\n":
            return
    raise AssertionError("not ready")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_child_serves_alone_until_it_is_asked_to_leave(stacks, number, code):
    port = free_port()
    with start(stacks, "--print", "hello", port=port) as process:
        ready(process)
        assert fetch(port).isdecimal()
        process.send_signal(number)
        assert process.communicate(timeout=30)[0] == "hello\n"
    assert process.returncode == code


def test_it_ends_as_its_child_does(stacks):
    with start(stacks, "--print", "last words", "--crash", "78") as process:
        assert process.communicate(timeout=30)[0] == "last words\nleaving with 78\n"
    assert process.returncode == 78


def test_who_asks_twice_wants_it_now_and_nothing_is_left(stacks):
    pid_file = stacks.folder / "grandchild"
    trace = stacks.folder / "trace"
    flags = ("--ignterm", "--group", str(pid_file), "--trace", str(trace))
    with start(stacks, *flags) as process:
        ready(process)
        run_id = run_of(int(pid_file.read_text()))
        process.send_signal(signal.SIGTERM)
        eventually(lambda: "TERM" in words(trace), "the first one came through")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGKILL
    eventually(lambda: not carriers(run_id), "nothing is left")


def run_of(pid: int) -> str:
    return psutil.Process(pid).environ()["OLLAMON_RUN_ID"]


def test_what_cannot_start_says_why(stacks):
    port = free_port()
    with start(stacks, port=port) as process:
        ready(process)
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port} is in use"):
            alone.run(stacks.spec(service("two", port=port)), os.dup(1), print)
        process.terminate()
        process.communicate(timeout=30)
    lost = replace(service("one"), argv=("/nowhere",))
    with pytest.raises(ProgramMissingError):
        alone.run(stacks.spec(lost), 1, print)


def test_the_real_proxy_runs_alone(stack: Stack):
    process = subprocess.Popen(
        stack.command("run", "proxy", "--json"),
        env=stack.environment,
        cwd=stack.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        eventually(lambda: get(stack.url("metrics", "/healthz")), "it serves")
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"ready  {stack.url('proxy')}" in said
    document = json.loads(output)
    assert (document.pop("v"), document.pop("ok"), document.pop("code")) == (1, False, 130)
    assert misfits(shapes.Run, document) == []
    stack.run("run", "nobody", code=2)
    assert "no child 'nobody'; there is proxy, dashboard" in stack.last_error
    assert command.name == "run"
