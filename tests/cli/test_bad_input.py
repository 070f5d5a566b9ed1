"""Whatever is typed, lies in files or comes from the socket: clear words, an exit code, no harm."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_other_version import old

__all__ = ["old"]

WORDS = [
    (["staus"], 2, "No such command 'staus'"),
    (["up", "--timeout", "5"], 2, '"5" has no unit. Write "5s"'),
    (["up", "--timeout", "-1s"], 2, "Invalid value for '--timeout'"),
    (["up", "--only", "nobody"], 2, "nobody"),
    (["up", "--ollama", "merry"], 2, "Invalid value for '--ollama'"),
    (["up", "extra"], 2, "unexpected extra argument"),
    (["logs", "-n", "x"], 2, "not a valid integer"),
    (["logs", "--since", "yesterday"], 2, "Invalid value for '--since'"),
    (["logs", "--grep", "["], 2, "unterminated character set"),
    (["status", "--interval", "0s"], 2, "Invalid value for '--interval'"),
    (["wait", "--for", "merry"], 2, "Invalid value for '--for'"),
    (["events", "-n", "257"], 2, "not in the range"),
    (["completion", "tcsh"], 2, "'tcsh' is not one of"),
    (["open", "sesame"], 2, "'sesame' is not one of"),
    (["service", "print", "--for", "upstart"], 2, "'upstart' is not one of"),
    (["run"], 2, "Missing argument 'CHILD'"),
    (["run", "nobody"], 2, "no child 'nobody'"),
    (["--name", "Not A Name", "status"], 78, "name: expected 1 to 32 small letters"),
    (["--name", "../up", "down"], 78, "name: expected 1 to 32 small letters"),
    (["status", "--name", "x" * 33], 78, "name: expected 1 to 32 small letters"),
    (["--config", "none.toml", "up"], 78, "cannot read ~/none.toml: no such file"),
    (["config", "check", "none.toml"], 78, "cannot read ~/none.toml: no such file"),
    (["config", "init", "/proc/none/x.toml"], 1, "cannot write /proc/none/x.toml"),
    (["export", "alerts", "-o", "/proc/none"], 1, "cannot write /proc/none"),
]


@pytest.mark.parametrize(("words", "code", "said"), WORDS, ids=lambda value: str(value)[:30])
def test_what_is_typed(invoke, home, words, code, said):
    (home / "ollamon.toml").write_text('[prometheus]\nmode = "embedded"\n')
    found, out, err = invoke(*words)
    assert (found, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    document = json.loads(invoke(*words, "--json")[1])
    assert document["code"] == code
    assert said in document["error"]["message"]
    assert not (home / ".local").exists(), "something was started"


FILES: dict[str, tuple[bytes | None, str]] = {
    "folder": (None, "is a directory"),
    "no text": (b"\xff\xfe[proxy]", "ollamon.toml:1:1: not UTF-8 text"),
    "zeros": (b"name = \x00", "ollamon.toml:1:8: no valid TOML"),
    "cut": (b'[proxy]\nlisten = "127.0.0.1', "no valid TOML"),
    "deep": (b"x = " + b"[" * 5000, "no valid TOML"),
    "large": (b"#" * (1024 * 1024 + 1), "larger than 1 MB"),
    "name is a number": (b"name = 5", "name: expected text in quotes, got 5"),
    "paths is text": (b'paths = "x"', "paths: expected a table"),
    "a path is a list": (b"[paths]\nruntime = []", "paths.runtime: expected text in quotes"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_the_file_is(invoke, home, name):
    data, said = FILES[name]
    file = home / "ollamon.toml"
    file.mkdir() if data is None else file.write_bytes(data)
    for words in (["up"], ["up", "-d"], ["status"], ["down"], ["logs"], ["config", "show"]):
        code, out, err = invoke(*words)
        assert (code, out) == (78, ""), words
        assert said in err, words


def test_an_empty_file_is_one_of_defaults(invoke, home):
    (home / "ollamon.toml").touch()
    assert invoke("config", "check")[0] == 0


@pytest.mark.parametrize("words", [["status"], ["down"], ["logs"], ["events"], ["version"]])
@pytest.mark.parametrize("where", ["state", "runtime", "logs"])
def test_a_folder_that_is_none(invoke, home, monkeypatch, words, where):
    (home / "file").touch()
    monkeypatch.setenv(f"OLLAMON_PATHS__{where.upper()}", str(home / "file"))
    code, _, err = invoke(*words)
    assert code == {"down": 0, "version": 0}.get(words[0], 3)
    assert "Traceback" not in err


ANSWERS = [
    *("", "junk", "[]", "null", "{}", '{"v":1}', '{"v":"1","ok":true,"data":{}}', "[" * 10_000),
    '{"v":1,"ok":true,"data":[]}',
    '{"v":1,"ok":true,"data":{}}',
    '{"v":1,"ok":false,"error":"no"}',
    '{"v":1,"ok":false,"error":{"kind":"merry","message":"something new"}}',
    '{"v":1,"ok":true,"data":{"children":7,"events":7,"state":"merry"}}',
    '{"v":1,"ok":true,"data":{"children":[{"name":7}],"events":[{"t":"x"}]}}',
    '{"v":1,"event":{"child":[]}}',
]
ASKING = ["status", "up", "start", "stop", "restart", "wait", "events", "reload", "open"]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer[:40] or "nothing")
def test_what_comes_from_the_socket(invoke, old, answer):
    process = old(answer)
    for word in ASKING:
        code, out, err = invoke(word)
        assert (code, out) == (1, ""), (word, err)
        assert err.startswith("error: "), word
    # These do without an answer, or believe that one of the right shape means what it says.
    for word in ("version", "env", "logs", "down"):
        assert invoke(word)[0] in (0, 1), word
    assert process.poll() is None, "it was killed"


@pytest.fixture
def silent(home: Path, monkeypatch) -> Callable[[], socket.socket]:
    """A socket on which nobody ever answers."""
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("OLLAMON_PATHS__RUNTIME", str(runtime))
    (runtime / "lock").write_text(f"{os.getpid()}\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(runtime / "ctl.sock"))
        listener.listen()
        yield listener


def test_who_is_silent_is_named_and_left_alone(invoke, silent):
    code, _, err = invoke("status")
    assert code == 1
    assert f"the supervisor is silent: pid {os.getpid()}" in err
