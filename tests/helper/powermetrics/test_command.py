import pytest

from ollamon.helper.powermetrics import command

WHOLE = "-s cpu_power,gpu_power,thermal -f plist -i 5000 -n 720 -b 0 -a 0 --handle-invalid-values"


def words(arch, milliseconds=5000):
    return [" ".join(command.arguments(each, milliseconds)) for each in command.rungs(arch)]


def test_the_words_for_apple_silicon():
    assert words("arm64") == [
        WHOLE,
        WHOLE.removesuffix(" --handle-invalid-values"),
        "-s cpu_power -f plist -i 5000 -n 720 -b 0 -a 0",
        "-s cpu_power -i 5000 -n 720 -b 0 -a 0",
    ]


def test_the_words_for_intel():
    assert words("x86_64")[0] == WHOLE.replace("thermal", "thermal,smc")
    assert words("x86_64")[2] == WHOLE.removesuffix(" --handle-invalid-values")


@pytest.mark.parametrize("arch", ["arm64", "x86_64"])
def test_nothing_that_writes_a_file_or_looks_at_processes(arch):
    for line in words(arch):
        listed = line.split()
        assert not {"-o", "-u", "--output-file"} & set(listed)
        assert "tasks" not in line
        assert "--show" not in line


@pytest.mark.parametrize(
    ("interval_s", "milliseconds"),
    [(1, 2000), (2, 2000), (4.9, 2000), (5, 5000), (9, 5000), (10, 10_000), (60, 10_000)],
)
def test_the_interval_is_one_of_three(interval_s, milliseconds):
    assert command.interval_ms(interval_s) == milliseconds


def test_each_run_ends_after_an_hour():
    for each in command.INTERVALS_MS:
        listed = command.arguments(command.rungs("arm64")[0], each)
        assert int(listed[listed.index("-n") + 1]) * each == 3_600_000


@pytest.mark.parametrize(
    "complaint",
    [
        "powermetrics: unrecognized sampler: thermal",
        "powermetrics: unrecognized option `--handle-invalid-values'",
        "powermetrics: illegal option -- x",
        "powermetrics: invalid option -- x",
        "Usage: powermetrics [-i sample_interval_ms]",
    ],
)
def test_words_that_are_refused(complaint):
    assert command.is_refused(complaint)
    assert not command.is_denied(complaint)


@pytest.mark.parametrize(
    "complaint",
    [
        "powermetrics must be invoked as the superuser",
        "sudo: a password is required",
        "sudo: a terminal is required to read the password",
        "Sorry, user eve is not allowed to execute '/usr/bin/powermetrics' as root on mac.",
        "eve is not in the sudoers file.",
        "Sorry, user eve may not run sudo on mac.",
    ],
)
def test_rights_that_lack(complaint):
    assert command.is_denied(complaint)
