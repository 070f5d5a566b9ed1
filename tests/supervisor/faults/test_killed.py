"""The supervisor, the guard or both are killed; who is whose afterwards."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from ollamon.supervisor import messages, runfile, state
from tests.supervisor.faults.users import as_user, needs_root
from tests.supervisor.harness import (
    FULL,
    Running,
    carriers,
    fetch,
    foreign,
    free_port,
    guard_of,
    is_alive,
    nothing_is_left,
    service,
    until,
)


@pytest.mark.fault(27)
def test_what_neither_kernel_nor_guard_ended_is_found_and_swept(stacks):
    """The case of macOS, where nothing but the guard ends a foreign program."""
    port = free_port()
    stack = stacks.start_spec(
        stacks.spec(foreign("engine", port), service("proxy")), flags=("--no-pdeathsig",)
    ).ready()
    run_id, engine = stack.status().run_id, stack.pid_of("engine")
    (guard,) = guard_of(run_id)
    # Neither may do its work: the guard dies with the supervisor.
    stack.signal(signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    stack.signal(signal.SIGKILL)
    stack.ended()
    until(lambda: carriers(run_id) == [engine], "the foreign program alone is left")
    assert fetch(port) == str(engine)
    (leftover,) = state.leftovers(stack.runtime)
    assert (leftover.name, leftover.pid) == ("engine", engine)

    second = stacks.again(stack).ready()
    assert not is_alive(engine)
    assert f"engine pid {engine}" in second.wait_for("", "swept").detail
    assert fetch(port) == str(second.pid_of("engine"))
    assert second.stop() == 0


@pytest.mark.fault(28)
def test_a_stranger_is_spared_and_the_start_says_so(stacks):
    stack = stacks.start(service("proxy")).ready()
    run = runfile.read(stack.runtime)
    assert run is not None
    run_id = run.run_id
    stack.signal(signal.SIGKILL)
    stack.ended()
    nothing_is_left(run_id)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            (child,) = run.children
            runfile.write(stack.runtime, replace(run, children=(replace(child, pid=stranger.pid),)))
            second = stacks.again(stack).ready()
            spared = second.wait_for("", "spared")
            assert spared.detail.startswith(f"pid {stranger.pid} was proxy of a dead run")
            assert second.stop() == 0
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.fault(30)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("_", range(20 if FULL else 2))
def test_of_two_starts_at_once_one_wins(stacks, _):
    spec = stacks.spec(service("a"))
    pair = [stacks.start_spec(spec, stderr=subprocess.PIPE) for _ in range(2)]

    def loser() -> Running | None:
        return next((each for each in pair if each.process.poll() is not None), None)

    lost = until(loser, "one of the two gives way")
    (won,) = [each for each in pair if each is not lost]
    assert lost.process.returncode == 4
    assert lost.process.stderr.read().decode().startswith("already_running: default is already")
    assert won.ready().stop() == 0


ASK = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
connection.connect(sys.argv[1])
try:
    connection.sendall(b'{"v":1,"cmd":"stop"}\\n')
    answer = connection.recv(64)
except ConnectionError:
    answer = b""
sys.exit(1 if answer else 0)
"""


@needs_root
@pytest.mark.fault(50)
def test_a_process_of_another_user_is_refused(stacks):
    """Even one that the modes of folder and socket would not hold off."""
    stack = stacks.start(service("proxy")).ready()
    path = str(stack.runtime / messages.SOCKET_NAME)
    command = [*as_user(capability="dac_override"), sys.executable, "-I", "-S", "-c", ASK, path]
    assert subprocess.run(command, check=False).returncode == 0
    assert stack.status().state == "ready"
    command = [sys.executable, "-I", "-S", "-c", ASK.replace("stop", "status"), path]
    assert subprocess.run(command, check=False).returncode == 1
