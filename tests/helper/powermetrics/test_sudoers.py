import contextlib
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from ollamon.helper.powermetrics import command, sudoers

SUDO = "/usr/bin/sudo"


def test_the_rule_of_the_first_rung():
    first, *rest = sudoers.text("alice", 501, "arm64", 5.0).splitlines()
    assert first == (
        "alice ALL=(root) NOPASSWD: /usr/bin/powermetrics -s cpu_power\\,gpu_power\\,thermal"
        " -f plist -i 5000 -n 720 -b 0 -a 0 --handle-invalid-values"
    )
    assert len(rest) == 3


@pytest.mark.parametrize("arch", ["arm64", "x86_64"])
@pytest.mark.parametrize("interval_s", [2, 5, 10])
def test_the_rule_and_the_words_are_the_same(arch, interval_s):
    milliseconds = command.interval_ms(interval_s)
    for line, rung in zip(
        sudoers.text("a", 501, arch, interval_s).splitlines(), command.rungs(arch), strict=True
    ):
        words = line.partition(f"{command.PROGRAM} ")[2].replace("\\", "").split()
        assert tuple(words) == command.arguments(rung, milliseconds)
        assert "*" not in line


@pytest.mark.parametrize("user", ["DOM\\alice", "a b", "ALL,bob", "", "%wheel"])
def test_a_name_that_sudo_could_read_otherwise_is_a_number(user):
    assert sudoers.text(user, 501, "arm64", 5.0).startswith("#501 ALL=")


def test_root_gets_no_rule():
    with pytest.raises(ValueError, match="root"):
        sudoers.text("root", 0, "arm64", 5.0)


@pytest.fixture
def user():
    """A user of this test; it must not be one that exists."""
    if os.geteuid() != 0 or not Path(SUDO).exists() or sys.platform != "linux":
        pytest.skip("needs root and sudo on Linux")
    name = f"ollamon-{uuid.uuid4().hex[:8]}"
    subprocess.run(["/usr/sbin/useradd", "-M", "-s", "/bin/sh", name], check=True)
    yield name
    subprocess.run(["/usr/sbin/userdel", name], check=True, capture_output=True)


@pytest.fixture
def allowed(user):
    """The rule, in force for a fake powermetrics that root owns; and what the user may try."""
    folder = Path("/opt") / user
    rule = Path("/etc/sudoers.d") / user
    with contextlib.ExitStack() as rests:
        folder.mkdir(mode=0o755)
        rests.callback(shutil.rmtree, folder)
        program = folder / "powermetrics"
        program.write_text("#!/bin/sh\nid -u\n")
        program.chmod(0o755)
        text = sudoers.text(user, 12345, "arm64", 5.0, str(program))
        checked = subprocess.run(
            ["/usr/sbin/visudo", "-cf", "-"], input=text, text=True, capture_output=True
        )
        assert checked.returncode == 0, checked.stderr
        rests.callback(rule.unlink)
        rule.touch(0o440)
        rule.chmod(0o440)
        rule.write_text(text)

        def attempt(*words):
            return subprocess.run(
                ["/usr/sbin/runuser", "-u", user, "--", SUDO, "-n", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
            )

        yield str(program), attempt


def test_real_sudo_lets_exactly_these_words_pass(allowed):
    program, attempt = allowed
    for rung in command.rungs("arm64"):
        words = command.arguments(rung, 5000)
        assert attempt(program, *words).stdout == "0\n"
        assert attempt("-l", program, *words).returncode == 0
        for wrong in (
            (*words, "-o", "/etc/passwd"),
            words[2:],
            (*words[:-1], "9"),
            ("-s", "tasks", *words[2:]),
            (),
        ):
            refused = attempt(program, *wrong)
            assert refused.returncode != 0, wrong
            assert command.is_denied(refused.stderr), refused.stderr
    assert attempt("/usr/bin/id").returncode != 0
