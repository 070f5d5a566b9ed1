import json
import socket
import stat
import tarfile

import pexpect
import pytest

from ollamon.cli import bundle
from ollamon.cli.doctor import command
from ollamon.errors import OllamonError
from tests.cli.conftest import change


def test_the_doctor_speaks_for_people_and_programs(stack):
    text = stack.run("doctor")
    assert text.splitlines()[0].startswith(" ✓ python       3.")
    assert "→ ollama serve" in text
    assert text.endswith("0 problems, 1 warning\n")
    assert max(map(len, text.splitlines())) <= 80
    document = json.loads(stack.run("doctor", "--json"))
    checks = [finding["check"] for finding in document["findings"]]
    assert checks == [
        *("python", "ollamon", "dependencies", "config", "directories", "leftovers", "ports"),
        *("limits", "clock", "ollama", "settings", "prometheus", "helper", "clients"),
    ]
    assert (document["problems"], document["warnings"]) == (0, 1)
    names = {"id", "check", "severity", "evidence", "fix", "fixed"}
    assert all(set(finding) == names for finding in document["findings"])


def test_a_problem_is_an_exit_code(stack, tmp_path):
    change(stack, 'mode = "embedded"', 'mode = "managed"\nbinary = "none"')
    text = stack.run("doctor", code=1)
    assert " ✗ prometheus   none not found" in text
    document = json.loads(stack.run("doctor", "--json", code=1))
    assert (document["ok"], document["code"], document["problems"]) == (False, 1, 1)


def test_a_broken_file_is_all_that_is_said(stack):
    change(stack, "[proxy]", "[proxy]\nlisen = 1")
    text = stack.run("doctor", code=1)
    assert " ✗ config       ~/ollamon.toml:" in text
    assert text.endswith("1 problem, 0 warnings\n")
    assert command.name == "doctor"


def test_a_running_stack_is_looked_at_as_it_was_started(stack):
    stack.up("--demo", "--with-helper")
    findings = json.loads(stack.run("doctor", "--json"))["findings"]
    said = {finding["check"]: (finding["severity"], finding["evidence"]) for finding in findings}
    assert said["config"] == ("ok", "~/ollamon.toml")
    assert said["ollama"] == ("ok", "demo: a simulated Ollama is watched")
    assert said["helper"][1].startswith("answers")


def test_one_check_alone(stack):
    document = json.loads(stack.run("doctor", "--json", "--only", "ports", "--only", "clients"))
    assert [finding["check"] for finding in document["findings"]] == ["ports", "clients"]
    assert document["warnings"] == 0
    stack.run("doctor", "--only", "prots", code=2)
    said = " ".join(stack.last_error.split())
    assert "no check 'prots'; there are versions, dependencies, config," in said


@pytest.fixture
def stale_socket(stack):
    runtime = stack.home / ".local/state/ollamon/default/run"
    runtime.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(runtime / "ctl.sock"))
    return runtime / "ctl.sock"


def test_what_can_be_mended_is_mended_and_said(stack, stale_socket):
    text = stack.run("doctor", "--only", "leftovers")
    assert "→ ollamon doctor --fix" in text
    assert stale_socket.exists()
    stack.run("doctor", "--fix", code=2)
    assert "where nobody answers, add --yes" in stack.last_error
    stack.run("doctor", "--yes", code=2)
    document = json.loads(stack.run("doctor", "--json", "--fix", "--yes", "--only", "leftovers"))
    (finding,) = document["findings"]
    assert finding["id"] == "leftovers-socket"
    assert finding["fixed"] == "removed ~/.local/state/ollamon/default/run/ctl.sock"
    assert document["warnings"] == 0
    assert not stale_socket.exists()
    again = stack.run("doctor", "--fix", "--yes", "--only", "leftovers")
    assert "There is nothing that --fix could mend." in again


def test_nothing_is_mended_without_a_yes(stack, stale_socket):
    words = stack.command("doctor", "--fix", "--only", "leftovers")
    for answer, is_left in (("n", True), ("y", False)):
        spawned = pexpect.spawn(words[0], words[1:], env=stack.environment, encoding="utf-8")
        spawned.expect(r"remove .*ctl\.sock\? \[y/N\]")
        spawned.sendline(answer)
        spawned.expect(pexpect.EOF)
        spawned.close()
        assert stale_socket.exists() is is_left


def test_offline_nobody_is_asked(stack):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        change(stack, "http://127.0.0.1:9", url)
        text = stack.run("doctor", "--offline")
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert "is not asked (--offline)" in text


def test_a_bundle_is_for_its_user_alone_and_overwrites_nothing(stack):
    text = stack.run("doctor", "--bundle")
    (path,) = stack.home.glob("ollamon-*.tar.gz")
    assert f"Wrote {path.name}. Look at it before you send it." in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stack.run("doctor", "--bundle", str(path), code=1)
    assert "exists already, and is not overwritten" in stack.last_error
    document = json.loads(stack.run("doctor", "--json", "--bundle", "second.tar.gz"))
    assert document["bundle"] == "second.tar.gz"
    stack.run("doctor", "--bundle", "nowhere/x.tar.gz", code=1)
    assert "cannot write nowhere/x.tar.gz" in stack.last_error
    change(stack, "[proxy]", "[proxy]\nlisen = 1")
    stack.run("doctor", "--bundle", "third.tar.gz", code=1)
    with tarfile.open(stack.home / "third.tar.gz") as archive:
        assert sorted(archive.getnames()) == [
            f"ollamon/{name}" for name in ("README.txt", "doctor.json", "versions.json")
        ]


def test_a_bundle_names_nobody(tmp_path):
    path = bundle.write(None, [], str(tmp_path / "x.tar.gz"))
    with tarfile.open(path) as archive:
        assert {(entry.uid, entry.uname) for entry in archive.getmembers()} == {(0, "")}
    # The field FNAME of gzip would hold the name of the file.
    assert path.read_bytes()[3] == 0
    with pytest.raises(OllamonError):
        bundle.write(None, [], str(path))
