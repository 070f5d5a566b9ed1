"""The demo as the child process that a supervisor starts."""

import json
import socket
import subprocess
import sys
import urllib.request

import pytest

from ollamon import handover
from ollamon.handover import Handover

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def section(child, proxy: str = "127.0.0.1:9") -> dict:
    return {
        "demo": {"enabled": True, "listen": child.address("listen")},
        "proxy": {"listen": proxy},
    }


@pytest.fixture
def demo(start_child):
    return start_child("demo", section, "listen")


def fetch(url: str) -> dict:
    with OPENER.open(url, timeout=20) as answer:
        return json.loads(answer.read())


def test_it_serves_on_the_inherited_socket_once_it_is_ready(demo):
    assert "demo" in fetch(demo.urls["listen"] + "/api/version")["version"]


def test_it_leaves_on_sigterm_and_says_nothing_bad(demo):
    assert demo.stop() == 0
    assert "Traceback" not in demo.output()


def test_it_leaves_when_its_supervisor_is_gone(demo):
    assert demo.end_lifeline() == 0


def test_it_tells_that_it_lives_and_that_the_proxy_is_away(demo):
    demo.wait_for(b"WATCHDOG=1\n")
    demo.wait_for(b"STATUS=waiting for the proxy\n")


def test_its_users_call_the_proxy_of_the_section(start_child):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(60)
        address = f"127.0.0.1:{proxy.getsockname()[1]}"
        start_child("demo", lambda child: section(child, address), "listen")
        connection, _ = proxy.accept()
        with connection:
            connection.settimeout(60)
            assert b"ollamon-demo/" in connection.recv(4096)


def run_with(line: bytes) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-u", "-m", "ollamon.demo"]
    return subprocess.run(command, input=line, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "line",
    [
        b"no handover\n",
        handover.encode(Handover({"demo": {"lisen": "127.0.0.1:1"}})),
        handover.encode(Handover({"demo": {"listen": "10.0.0.1:1"}})),
    ],
    ids=["no handover", "an unknown key", "an address beyond loopback"],
)
def test_a_section_that_cannot_be_used_is_one_line_and_exit_78(line):
    done = run_with(line)
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1


def test_an_address_in_use_is_exit_98():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_with(handover.encode(Handover({"demo": {"listen": address}})))
    assert done.returncode == 98
    assert address in done.stderr.decode()


def test_without_an_inherited_socket_it_binds_its_own(start_child, free_port):
    listen = f"127.0.0.1:{free_port}"
    start_child("demo", {"demo": {"listen": listen}, "proxy": {"listen": "127.0.0.1:9"}})
    assert fetch(f"http://{listen}/api/tags")["models"]
