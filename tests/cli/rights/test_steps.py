"""The commands that run as root: absolute, fixed, each with what takes it back."""

from pathlib import Path

import pytest

from ollamon.cli.rights import places, steps
from ollamon.cli.rights.steps import Made

COUNTER = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
MADE = [Made(), Made(True, ("alice",)), Made(False, ("alice", "bob")), Made(True, ())]


def all_steps() -> list[steps.Step]:
    return [
        *steps.allow_powermetrics(places.MACOS, "rule\n"),
        *steps.forbid_powermetrics(places.MACOS),
        *steps.share_counters(
            places.LINUX,
            MADE[1],
            new_group=True,
            new_member="alice",
            counters=[COUNTER],
            can_verify=True,
        ),
        *steps.unshare_counters(places.LINUX, MADE[1], [COUNTER]),
    ]


def test_every_command_is_an_absolute_path_with_fixed_words():
    for step in all_steps():
        for words in (step.words, *step.undo):
            assert words[0].startswith("/")
            assert not any(set(word) & set("*?$`;|&<>") for word in words)


def test_a_file_counts_only_after_it_was_checked():
    words = [step.words for step in steps.allow_powermetrics(places.MACOS, "rule\n")]
    final = str(places.MACOS.sudoers)
    moved = words.index(("/bin/mv", "-f", f"{final}.new", final))
    # sudo passes over names with a dot.
    assert all(final not in each for each in words[:moved])
    before = [" ".join(each) for each in words[:moved]]
    assert before == [
        "/usr/sbin/visudo -cf -",
        f"/usr/bin/tee {final}.new",
        f"/bin/chmod 0440 {final}.new",
        f"/usr/sbin/chown root:wheel {final}.new",
        f"/usr/sbin/visudo -cf {final}.new",
        f"/bin/cat {final}.new",
    ]
    assert words[moved + 1 :] == [("/usr/sbin/visudo", "-c")]


def test_the_rule_for_udev():
    assert steps.rule(places.LINUX, MADE[1]).splitlines()[1] == (
        'SUBSYSTEM=="powercap", ACTION=="add", KERNEL=="intel-rapl:*", ATTR{name}=="package-*", '
        'RUN+="/bin/chgrp ollamon /sys%p/energy_uj", RUN+="/bin/chmod 0440 /sys%p/energy_uj"'
    )


@pytest.mark.parametrize("made", MADE)
def test_the_file_remembers_what_was_made(made):
    assert steps.made_by(steps.rule(places.LINUX, made)) == made


def test_a_file_of_somebody_else_remembers_nothing():
    assert steps.made_by('SUBSYSTEM=="powercap", MODE="0444"\n') == Made()


def test_only_what_is_new_is_made():
    chosen = steps.share_counters(
        places.LINUX, Made(), new_group=False, new_member="", counters=[], can_verify=False
    )
    assert chosen[0].words[0] == places.LINUX.tee
    assert not any("verify" in step.words for step in chosen)
