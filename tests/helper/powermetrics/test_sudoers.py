import pytest

from ollamon.helper.powermetrics import command, sudoers
from tests.fakes.sudo_user import needs_sudo, sudo_user


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


@needs_sudo
def test_real_sudo_lets_exactly_these_words_pass():
    with sudo_user() as user:
        program = str(user.program("powermetrics", "id -u"))
        user.allow(sudoers.text(user.name, 12345, "arm64", 5.0, program))
        for rung in command.rungs("arm64"):
            words = command.arguments(rung, 5000)
            assert user.sudo(program, *words).stdout == "0\n"
            assert user.sudo("-l", program, *words).returncode == 0
            for wrong in (
                (*words, "-o", "/etc/passwd"),
                words[2:],
                (*words[:-1], "9"),
                ("-s", "tasks", *words[2:]),
                (),
            ):
                refused = user.sudo(program, *wrong)
                assert refused.returncode != 0, wrong
                assert command.is_denied(refused.stderr), refused.stderr
        assert user.sudo("/usr/bin/id").returncode != 0
