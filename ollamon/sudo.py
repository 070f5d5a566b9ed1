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
# One rule of a listing, `    (root) NOPASSWD: /bin/a x\, y, PASSWD: /bin/b`, and what is in it.
_LISTED = re.compile(r"^ +\([^)]*\) (.+)$", re.MULTILINE)
_COMMA = re.compile(r"(?<!\\), ")
_TAG = re.compile(r"([A-Z_]+): ?")


def command(words: Iterable[str]) -> tuple[str, ...]:
    """Return what runs these words as root, or fails at once."""
    return (*SILENT, "--", *words)


def question(words: Iterable[str]) -> tuple[str, ...]:
    """Return what exits with 0 when these very words may be run."""
    # Not `sudo -n -v`: it fails where only some words are free.
    return (*SILENT, "-l", "--", *words)


def rule(who: str, words: Iterable[str]) -> str:
    """Return the line of a sudoers file that lets somebody run exactly these words."""
    return f"{who} ALL=(root) NOPASSWD: {_escaped(words)}"


def wants_password(listing: str, words: Iterable[str]) -> bool:
    """Say whether the last rule for these words, in what `sudo -l` prints, wants a password.

    A rule of another form than exact words, a program alone or ALL is passed over.
    """
    text = _escaped(words)
    program, _, arguments = text.partition(" ")
    fitting = {text, program, "ALL"} | (set() if arguments else {f'{program} ""'})
    wants = False
    for match in _LISTED.finditer(listing):
        is_free = False
        for part in _COMMA.split(match[1]):
            *tags, command = _TAG.split(part)
            is_free = "NOPASSWD" in tags or (is_free and "PASSWD" not in tags)
            wants = not is_free if command.strip() in fitting else wants
    return wants


def _escaped(words: Iterable[str]) -> str:
    return " ".join(_SPECIAL.sub(r"\\\1", word) for word in words)


def is_refused(complaint: str) -> bool:
    """Say whether sudo wants a password, or more rights."""
    return any(words in complaint.lower() for words in _REFUSED)
