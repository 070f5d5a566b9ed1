"""The helper as the supervisor starts it: a real process, a real lifeline."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ollamon import handover, readings
from ollamon.handover import Handover
from ollamon.helper import service

ARGV = [sys.executable, "-I", "-u", "-m", "ollamon.helper"]
SCRIPT = Path(__file__).parents[2] / "scripts" / "mac_metrics_helper.py"
WAIT_S = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def line(port, **more):
    table = {"mode": "on", "listen": f"127.0.0.1:{port}", "interval": "1s"} | more
    return handover.encode(Handover({"helper": table}, "0a1b2c3d"))


class Helper:
    """A running helper and the pipe on which it tells the supervisor how it fares."""

    def __init__(self, argv=ARGV, first_line=None, **options):
        self.port = free_port()
        self.notes, writing = os.pipe()
        self.process = subprocess.Popen(
            [word.replace("PORT", str(self.port)) for word in argv],
            stdin=options.pop("stdin", subprocess.PIPE),
            stderr=subprocess.PIPE,
            pass_fds=(writing,),
            env=os.environ | {handover.NOTIFY_VARIABLE: str(writing)},
            **options,
        )
        os.close(writing)
        if self.process.stdin is not None:
            self.process.stdin.write(line(self.port) if first_line is None else first_line)
            self.process.stdin.flush()

    def note(self, wanted):
        """Read notes until one begins so; "" when the helper ended first."""
        text = ""
        while wanted not in text:
            piece = os.read(self.notes, 4096).decode()
            if not piece:
                return ""
            text += piece
        return next(note for note in text.splitlines() if wanted in note)

    def ask(self, target="/metrics"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        with contextlib.closing(connection):
            connection.request("GET", target)
            response = connection.getresponse()
            return response, response.read()

    def close(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self.notes)


@pytest.fixture
def start():
    with contextlib.ExitStack() as stack:

        def begin(*arguments, **options):
            helper = Helper(*arguments, **options)
            stack.callback(helper.close)
            return helper

        yield begin


def test_it_is_ready_when_it_listens_and_answers_with_its_run(start):
    helper = start()
    assert helper.note("READY=1")
    response, body = helper.ask()
    assert response.headers["X-Ollamon-Run"] == "0a1b2c3d"
    reading = readings.from_json(body)
    assert reading.interval_seconds == 1.0
    # On Linux it has given root up.
    is_root = sys.platform == "darwin" and os.geteuid() == 0
    assert reading.platform.privileged == is_root


def test_it_says_that_it_is_alive_and_how_its_sources_fare(start):
    helper = start()
    assert helper.note("WATCHDOG=1")
    helper = start()
    assert helper.note("STATUS=")


def test_a_machine_without_any_source_says_so_and_invents_nothing(start):
    helper = start()
    helper.note("STATUS=")
    _, body = helper.ask()
    document = json.loads(body)
    for source in document["sources"].values():
        assert source["state"] in {str(state) for state in readings.State}
    if not any(source["state"] == "ok" for source in document["sources"].values()):
        assert document["gpu"] == []
        assert document["cpu"]["power_mw"] is None
        assert document["cpu"]["temperature_celsius"] is None
        response, _ = helper.ask("/health")
        assert response.status == 503


def test_the_end_of_the_lifeline_ends_it(start):
    helper = start()
    assert helper.note("READY=1")
    helper.process.stdin.close()
    assert helper.process.wait(WAIT_S) == 0


def test_sigterm_ends_it_and_sigint_does_not(start):
    helper = start()
    assert helper.note("READY=1")
    helper.process.send_signal(signal.SIGINT)
    assert helper.ask()[0].status == 200
    helper.process.send_signal(signal.SIGTERM)
    assert helper.process.wait(WAIT_S) == 0


def is_refused(port: int) -> bool:
    """Say whether nobody listens; a process that ends closes one descriptor after the other."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return True
    return False


def test_when_its_parent_is_killed_it_leaves(tmp_path):
    """The parent holds the only write end of the lifeline, as the supervisor does."""
    port = free_port()
    reading, writing = os.pipe()
    program = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({ARGV!r}, stdin=subprocess.PIPE, pass_fds=({writing},))\n"
        f"child.stdin.write({line(port)!r}); child.stdin.flush()\n"
        "child.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        pass_fds=(writing,),
        env=os.environ | {handover.NOTIFY_VARIABLE: str(writing)},
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    assert b"READY=1" in os.read(reading, 4096)
    parent.kill()
    parent.wait(WAIT_S)
    # End of file: nobody holds the other end any more, so the helper is gone too.
    while os.read(reading, 4096):
        continue
    os.close(reading)
    assert is_refused(port)


BROKEN_LINES = {
    "garbage": b"garbage\n",
    "a section that is no table": handover.encode(Handover({"helper": []})),
    "an address of the network": line(1, listen="0.0.0.0:8002"),
    "a privileged port": line(80),
    "an interval without unit": line(28002, interval="5"),
    "an unknown key": line(28002, command="/tmp/evil"),
    "another child's section": handover.encode(Handover({"proxy": {}})),
}


@pytest.mark.parametrize("first_line", BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_a_section_that_cannot_be_used_is_exit_78_with_one_line(start, first_line):
    helper = start(first_line=first_line)
    assert helper.process.wait(WAIT_S) == 78
    assert len(helper.process.stderr.read().decode().splitlines()) == 1
    assert helper.note("READY") == ""


def test_a_lifeline_that_ends_before_the_section_is_exit_78(start):
    helper = start(first_line=b"", stdin=subprocess.DEVNULL)
    assert helper.process.wait(WAIT_S) == 78


def test_a_port_that_is_taken_is_exit_98_and_named(start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        helper = start(first_line=line(port))
        assert helper.process.wait(WAIT_S) == 98
    assert f"cannot listen on 127.0.0.1:{port}" in helper.process.stderr.read().decode()


BY_HAND = {
    "the module": [sys.executable, "-m", "ollamon.helper", "--by-hand"],
    "the seed guide's script": [sys.executable, str(SCRIPT)],
}


@pytest.mark.parametrize("argv", BY_HAND.values(), ids=BY_HAND)
def test_by_hand_it_reads_no_stdin_and_stops_at_sigint(start, argv, tmp_path):
    helper = start([*argv, "--listen", "127.0.0.1:PORT"], stdin=subprocess.DEVNULL, cwd=tmp_path)
    assert helper.note("READY=1")
    response, body = helper.ask()
    assert "X-Ollamon-Run" not in response.headers
    assert readings.from_json(body).interval_seconds == 5.0
    helper.process.send_signal(signal.SIGINT)
    assert helper.process.wait(WAIT_S) == 0


def test_options_of_the_hand_are_refused_to_a_child(start):
    helper = start([*ARGV, "--interval", "9s"])
    assert helper.process.wait(WAIT_S) == 2


def test_by_hand_and_below_sudo_exclude_each_other(capsys):
    with pytest.raises(SystemExit, match="2"):
        service.run(["--by-hand", "--lifeline"], {}, "/sys")
    assert "not allowed with" in capsys.readouterr().err


def test_it_imports_nothing_but_the_standard_library():
    """What the site module of this installation loads at every start is not ours."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    load = (
        "import ollamon.helper.__main__, ollamon.helper.service as m;"
        "m.for_system(m.this_machine(), 5.0, {}, m.Path('/sys'));"
    )
    loaded, plain = (
        set(
            subprocess.run(
                [sys.executable, "-I", "-c", program], capture_output=True, check=True, text=True
            ).stdout.split()
        )
        for program in (load + show, show)
    )
    assert loaded - plain - sys.stdlib_module_names == {"ollamon"}


def test_while_it_runs_it_imports_nothing_but_the_standard_library(start):
    helper = start([*ARGV[:1], "-X", "importtime", *ARGV[1:]])
    assert helper.note("STATUS=")
    helper.process.stdin.close()
    assert helper.process.wait(WAIT_S) == 0
    rows = helper.process.stderr.read().decode().splitlines()
    names = {
        row.rpartition("|")[2].strip().partition(".")[0]
        for row in rows
        if row.startswith("import time:")
    }
    assert "ollamon" in names
    foreign = {"aiohttp", "click", "flask", "gevent", "prometheus_client", "psutil", "pydantic"}
    assert not names & (foreign | {"requests", "uvloop", "yaml", "typing_extensions"})


def test_many_signals_at_once_are_one_stop(start):
    """Below sudo it gets SIGTERM from its supervisor and, passed on, from sudo."""
    helper = start()
    assert helper.note("READY=1")
    for _ in range(20):
        helper.process.send_signal(signal.SIGTERM)
    assert helper.process.wait(WAIT_S) == 0


def test_it_is_nicer_than_others(start):
    helper = start()
    assert helper.note("READY=1")
    deadline = time.monotonic() + WAIT_S
    wanted = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    while os.getpriority(os.PRIO_PROCESS, helper.process.pid) != wanted:
        assert time.monotonic() < deadline
