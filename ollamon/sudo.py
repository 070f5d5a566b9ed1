"""The words of sudo, without I/O: how something is run through it, allowed, asked and refused."""

import re
from collections.abc import Iterable

PROGRAM = "/usr/bin/sudo"
# Never a prompt: whoever may ask a person does so beforehand, in the foreground.
SILENT = (PROGRAM, "-n")

_REFUSED = (
    *("a password is required", "not allowed", "a terminal is required"),
    *("not in the sudoers", "may not run sudo"),
)

_SPECIAL = re.compile(r"([,=:\\])")


def command(words: Iterable[str]) -> tuple[str, ...]:
    """Return what runs these words as root, or fails at once."""
    return (*SILENT, "--", *words)


def question(words: Iterable[str]) -> tuple[str, ...]:
    """Return what exits with 0 when these very words may be run."""
    # Not `sudo -n -v`: it fails where only some words are free.
    return (*SILENT, "-l", "--", *words)


def rule(who: str, words: Iterable[str]) -> str:
    """Return the line of a sudoers file that lets somebody run exactly these words."""
    escaped = " ".join(_SPECIAL.sub(r"\\\1", word) for word in words)
    return f"{who} ALL=(root) NOPASSWD: {escaped}"


def is_refused(complaint: str) -> bool:
    """Say whether sudo wants a password, or more rights."""
    return any(words in complaint.lower() for words in _REFUSED)
