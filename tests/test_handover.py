import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from ollamon import handover
from ollamon.errors import HandoverError, ListenError
from ollamon.handover import Handover, Notifier

FULL = Handover(
    {"proxy": {"listen": "127.0.0.1:1"}, "n": [1, None, True]},
    "0a1b2c3d",
    {"listen": 7},
    "/run/here/run.json",
    "a secret",
)


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_what_was_encoded_is_decoded():
    line = handover.encode(FULL)
    assert line.count(b"\n") == 1
    assert handover.decode(line) == FULL


def broken(**changes: object) -> bytes:
    return json.dumps({**json.loads(handover.encode(Handover({}))), **changes}).encode() + b"\n"


BROKEN = {
    "nothing": b"",
    "cut off": handover.encode(FULL)[:-1],
    "no JSON": b"{\n",
    "nested without end": b"[" * 100_000 + b"\n",
    "no object": b"[]\n",
    "another version": broken(v=2),
    "no section": b'{"v":1,"run_id":"","sockets":{},"run_file":"","token":""}\n',
    "a section that is no table": broken(section=[]),
    "a descriptor that is no number": broken(sockets={"a": "3"}),
    "a descriptor that is a boolean": broken(sockets={"a": True}),
    "a file that is no path": broken(run_file=None),
    "a token that is no text": broken(token=1),
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_refused(line):
    with pytest.raises(HandoverError, match="cannot read the handover"):
        handover.decode(line)


def test_a_section_that_is_too_long_is_not_sent():
    with pytest.raises(HandoverError, match="the limit is 65536"):
        handover.encode(Handover({"text": "x" * handover.MAX_BYTES}))


def test_reading_the_line_leaves_the_lifeline_whole(pipe):
    reading, writing = pipe
    os.write(writing, handover.encode(FULL) + b"more")
    assert handover.receive(reading) == FULL
    assert os.read(reading, 10) == b"more"


def test_a_line_without_end_is_refused_at_the_limit(pipe):
    reading, writing = pipe
    writer = threading.Thread(target=os.write, args=(writing, b"x" * handover.MAX_BYTES))
    writer.start()
    with pytest.raises(HandoverError, match="64 KiB"):
        handover.receive(reading)
    writer.join(10)


def test_the_end_of_the_lifeline_is_noticed(pipe):
    reading, writing = pipe
    ended = threading.Event()
    handover.watch_lifeline(ended.set, grace_s=3600, fd=reading)
    os.write(writing, b"chatter is no end")
    assert not ended.wait(0.05)
    os.close(writing)
    assert ended.wait(10)


@pytest.mark.parametrize("on_end", ["lambda: None", "threading.Event().wait"])
def test_a_stuck_child_leaves_hard_when_its_lifeline_ends(on_end):
    program = (
        "import threading; from ollamon import handover;"
        f"handover.watch_lifeline({on_end}, grace_s=0.1); threading.Event().wait()"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    child.stdin.close()
    assert child.wait(20) == 1


def test_a_notifier_writes_one_line_for_each_word(pipe, monkeypatch):
    reading, writing = pipe
    monkeypatch.setenv(handover.NOTIFY_VARIABLE, str(writing))
    notifier = Notifier.from_environment()
    notifier.status("two\nlines  become one")
    notifier.ready()
    notifier.alive()
    notifier.external("ollama", False, "u", "no\nanswer")
    assert os.read(reading, 200) == (
        b"STATUS=two lines become one\nREADY=1\nWATCHDOG=1\nEXTERNAL=ollama bad u no answer\n"
    )
    assert handover.NOTIFY_VARIABLE not in os.environ
    assert not os.get_inheritable(writing)


@pytest.mark.parametrize("value", [None, "", "-1", "three"])
def test_without_a_descriptor_a_notifier_is_silent(value, monkeypatch):
    monkeypatch.delenv(handover.NOTIFY_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(handover.NOTIFY_VARIABLE, value)
    Notifier.from_environment().ready()


def test_a_notifier_survives_a_supervisor_that_is_gone(pipe):
    reading, writing = pipe
    os.close(reading)
    notifier = Notifier(writing)
    notifier.ready()
    notifier.ready()


def test_a_section_holds_json_only():
    with pytest.raises(TypeError):
        handover.encode(Handover({"path": object()}))
    assert json.loads(handover.encode(Handover({}))) == {
        "v": 1,
        "section": {},
        "run_id": "",
        "sockets": {},
        "run_file": "",
        "token": "",
    }


def test_a_socket_that_was_handed_over_is_used():
    with socket.create_server(("127.0.0.1", 0)) as ours:
        given = Handover({}, sockets={"listen": os.dup(ours.fileno())})
        with given.listening("listen", "127.0.0.1", 1) as found:
            assert found.getsockname() == ours.getsockname()


def test_without_one_the_address_is_bound_and_a_taken_one_is_named():
    with Handover({}).listening("listen", "127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}: address already in use"):
            Handover({}).listening("listen", "127.0.0.1", port)
