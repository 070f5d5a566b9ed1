"""Which lines of which files are shown."""

import json
import re
import signal
import time

import pytest

from ollamon.cli import shapes
from ollamon.cli.loglines import Choice, Line, Tail, lines_of, without_unfinished
from ollamon.cli.logs import command
from ollamon.supervisor import logfiles
from ollamon.supervisor.marks import END, START, TIME, Mark
from tests.cli.test_verbs import answer
from tests.supervisor.harness import service, until

NOW = 1_700_000_000.0


@pytest.fixture
def log(home):
    path = home / ".local/state/ollamon/default/logs/proxy.log"
    path.parent.mkdir(parents=True)
    return path


def texts(path, choice: Choice) -> list[str]:
    return [line.text for line in lines_of(logfiles.parts(path.parent, "proxy"), choice)]


def test_logs_are_read_also_when_nothing_runs(invoke, log):
    log.write_text("one\ntwo\nthree\n")
    assert invoke("logs", "-n", "2") == (0, "proxy      │ two\nproxy      │ three\n", "")
    assert invoke("logs", "-n", "0")[1] == ""
    assert invoke("logs", "--no-prefix", "--grep", "^t")[1] == "two\nthree\n"
    assert answer(invoke("logs", "--json")[1], shapes.Logs)["lines"] == {
        "proxy": ["one", "two", "three"]
    }
    code, _, err = invoke("logs", "nobody")
    assert code == 2
    assert "no log of 'nobody'; there is one of proxy" in err
    assert command.name == "logs"


def test_what_the_supervisor_says_is_shown_apart(invoke, log):
    log.write_text("child\n")
    log.with_name("supervisor.log").write_text("own\n")
    assert invoke("logs", "--no-prefix")[1] == "child\n"
    assert invoke("logs", "--supervisor", "--no-prefix")[1] == "own\n"


@pytest.mark.parametrize("words", [["--grep", "("], ["--previous", "-f"], ["-n", "-1"]])
def test_what_makes_no_sense_is_two(invoke, words):
    assert invoke("logs", *words)[0] == 2


def test_colours_are_for_terminals(invoke, log, monkeypatch):
    log.write_text("\x1b[31mred\x1b[0m\n")
    assert invoke("logs", "--no-prefix")[1] == "red\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert invoke("logs", "--no-prefix")[1] == "\x1b[31mred\x1b[0m\n"


@pytest.mark.parametrize("length", [1, 300, 5000])
def test_the_last_lines_are_found_however_long_they_are(log, length):
    lines = [f"{i:04} " + "x" * length for i in range(40)]
    log.write_text("\n".join(lines) + "\n")
    for count in (0, 1, 7, 40, 99):
        assert texts(log, Choice(count)) == lines[40 - min(count, 40) :]


def test_the_last_lines_go_back_into_files_that_were_rotated(log):
    log.with_name("proxy.log.2").write_text("one\n")
    log.with_name("proxy.log.1").write_text("two\nthr")
    log.write_text("ee\nfour\n")
    assert texts(log, Choice(3)) == ["two", "three", "four"]
    assert texts(log, Choice(pattern=re.compile("r"))) == ["three", "four"]


def mark(log, *marks: Mark) -> None:
    log.with_suffix(".marks").write_bytes(b"".join(each.encode() for each in marks))


def test_lines_have_the_time_of_their_bytes(log):
    log.write_text("old\nfirst\nsecond\n")
    mark(log, Mark(4, NOW, START, "0", 7), Mark(10, NOW + 9, TIME))
    lines = lines_of(logfiles.parts(log.parent, "proxy"), Choice())
    assert lines == [Line(None, "old"), Line(NOW, "first"), Line(NOW + 9, "second")]
    assert texts(log, Choice(since=NOW + 5)) == ["second"]
    assert texts(log, Choice(1, since=NOW - 5)) == ["second"]


def test_timestamps_are_of_this_place(invoke, log):
    log.write_text("old\nfirst\n")
    mark(log, Mark(4, NOW, TIME))
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW))
    assert invoke("logs", "--timestamps", "--no-prefix")[1] == f"{'?':<19} old\n{at} first\n"


def test_the_process_that_ended_last_can_be_looked_at(invoke, log):
    log.write_text("a1\na2\nb1\n")
    starts = [Mark(0, NOW, START, "0", 1), Mark(6, NOW, START, "0", 2)]
    mark(log, starts[0], Mark(6, NOW, END), starts[1])
    assert invoke("logs", "--previous", "--no-prefix")[1] == "a1\na2\n"
    assert invoke("logs", "--previous", "--no-prefix", "-n", "1")[1] == "a2\n"


def test_a_tail_follows_a_file_that_is_rotated(log):
    log.write_text("one\npart")
    (whole,) = without_unfinished(logfiles.parts(log.parent, "proxy"))
    assert whole.size == 4
    tail = Tail(log, whole.size)
    assert tail.more() == []
    with log.open("a") as file:
        file.write("ial\n")
    assert tail.more() == ["partial"]
    log.rename(log.with_suffix(".log.1"))
    assert tail.more() == []
    log.write_text("new\n")
    assert tail.more() == ["new"]
    assert without_unfinished([]) == []


def test_what_comes_is_followed_until_the_stack_stops(running, invoke, home):
    stack = running(service("one", "--print", "hello", "--crash-on", str(home / "now")))
    log = stack.stack.log.folder / "one.log"
    until(lambda: log.exists() and "hello" in log.read_text(), "the child has written")
    (home / "now").touch()
    stack.wait_for("one", "ready", after=len(stack.events))
    assert invoke("logs", "--previous", "--no-prefix")[1].splitlines() == [
        "hello",
        "told to crash",
    ]
    stack.signal(signal.SIGTERM)
    code, out, _ = invoke("logs", "-f", "--json", "-n", "1", "--grep", "hello")
    assert code == 0
    assert [json.loads(line)["lines"]["one"] for line in out.splitlines()] == [["hello"]]
