"""systemd's own protocol, on a socket as systemd opens it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ollamon.supervisor.messages import Event
from ollamon.supervisor.service_manager import ServiceManager

ROOT = Path(__file__).parents[2]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(30)
        yield address, listener


def heard(listener: socket.socket, word: str) -> list[str]:
    """Read until a message begins so; return all up to it."""
    messages = [""]
    while not messages[-1].startswith(word):
        messages.append(listener.recv(4096).decode())
    return messages[1:]


def test_a_run_tells_systemd_how_it_fares(manager, tmp_path):
    address, listener = manager
    environment = {
        **{"PYTHONPATH": ".", "HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        **{"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"},
    }
    command = [sys.executable, "tests/cli/drive.py", str(tmp_path / "stack")]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        seen = heard(listener, "READY=1")
        assert seen[-2] == "STATUS=ready"
        assert heard(listener, "WATCHDOG=1")
        assert heard(listener, "WATCHDOG=1")
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        for child in children:
            assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & child.environ().keys()
        process.send_signal(signal.SIGTERM)
        assert heard(listener, "STOPPING=1")[-1] == "STOPPING=1\nSTATUS=stopping"
        assert process.wait(30) == 0


def test_a_start_that_failed_is_never_ready(manager, tmp_path):
    address, listener = manager
    environment = {"PYTHONPATH": ".", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "tests/cli/drive.py", str(tmp_path / "stack"), "--crash", "78"]
    process = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "NOTIFY_SOCKET": address},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert process.returncode == 1
    seen = heard(listener, "STOPPING=1")
    assert any(message.startswith("STATUS=failed: proxy is failed") for message in seen)
    assert "READY=1" not in seen


async def test_the_watchdog_is_for_the_process_that_was_named():
    loop = asyncio.get_running_loop()
    for pid, expected in (("", True), (str(os.getpid()), True), ("1", False)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            # An abstract socket, as systemd may use.
            listener.bind(f"\0ollamon-test-{os.getpid()}")
            listener.setblocking(False)
            told = {
                **{"NOTIFY_SOCKET": f"@ollamon-test-{os.getpid()}", "WATCHDOG_PID": pid},
                **{"WATCHDOG_USEC": "20000", "OTHER": "1"},
            }
            ServiceManager.of(told).watch(loop)
            assert told == {"OTHER": "1"}
            if expected:
                assert listener.recv(64) == b"WATCHDOG=1"
                assert await loop.sock_recv(listener, 64) == b"WATCHDOG=1"
            else:
                with pytest.raises(BlockingIOError):
                    listener.recv(64)


@pytest.mark.parametrize("period", ["", "x", "-5", "1e9", "0"])
def test_a_period_that_is_none_is_no_watchdog(manager, period):
    address, listener = manager
    loop = asyncio.new_event_loop()
    ServiceManager.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": period}).watch(loop)
    loop.close()
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.recv(64)


def test_without_systemd_nobody_is_told():
    manager = ServiceManager.of({})
    manager.ready()
    manager.show(Event(0.0, 0.0, "", "ready"))
    ServiceManager.of({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready()
