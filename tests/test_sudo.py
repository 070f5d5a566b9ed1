"""What sudo is told and what it answers; the real one is asked in tests/supervisor/faults/sudo."""

import pytest

from ollamon import sudo
from tests.fakes.sudo_user import needs_sudo, sudo_user

WORDS = ("/bin/a", "-s", "x,y", "--k=v")


def listing(*rules: str) -> str:
    head = "Matching Defaults entries for u on vm:\n    env_reset, secure_path=/bin\\:/sbin\n\n"
    return f"{head}User u may run the following commands on vm:\n" + "".join(
        f"    (root) {rule}\n" for rule in rules
    )


EXACT = r"/bin/a -s x\,y --k\=v"
LISTINGS = {
    "free": (f"NOPASSWD: {EXACT}", False),
    "not free": (EXACT, True),
    "explicitly not free": (f"PASSWD: {EXACT}", True),
    "everything, not free": ("ALL", True),
    "everything is free": ("NOPASSWD: ALL", False),
    "the program with any words": ("/bin/a", True),
    "after a free one it is free too": (f"NOPASSWD: /bin/b, {EXACT}", False),
    "after a free one it is not": (f"NOPASSWD: /bin/b, PASSWD: {EXACT}", True),
    "with another tag": (f"NOEXEC: NOPASSWD: {EXACT}", False),
    "other words": ("NOPASSWD: /bin/a -s", False),
    "a form that is not understood": ("/bin/*", False),
}


@pytest.mark.parametrize(("rule", "expected"), LISTINGS.values(), ids=LISTINGS)
def test_a_listing_says_whether_a_password_is_wanted(rule, expected):
    assert sudo.wants_password(listing(rule), WORDS) == expected


def test_the_last_rule_counts():
    assert not sudo.wants_password(listing("ALL", f"NOPASSWD: {EXACT}"), WORDS)
    assert sudo.wants_password(listing(f"NOPASSWD: {EXACT}", "ALL"), WORDS)


def test_without_words_only_that_or_anything_fits():
    assert sudo.wants_password(listing('/bin/a ""'), ["/bin/a"])
    assert not sudo.wants_password(listing('/bin/a ""'), ["/bin/a", "-x"])


@needs_sudo
def test_the_real_listing_is_read():
    with sudo_user() as user:
        user.allow("USER ALL=(root) PASSWD: /usr/bin/true", sudo.rule("USER", WORDS))
        seen = user.sudo("-l").stdout
    assert not sudo.wants_password(seen, WORDS)
    assert sudo.wants_password(seen, ["/usr/bin/true"])


COMPLAINTS = [
    "sudo: a password is required",
    "Sorry, user u is not allowed to execute '/bin/a' as root on vm.",
    "u is not in the sudoers file.",
    "sudo: a terminal is required to read the password; either use the -S option",
]


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_a_refusal_is_known(complaint):
    assert sudo.is_refused(complaint)
    assert not sudo.is_refused("Traceback (most recent call last):")
