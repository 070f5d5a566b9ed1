"""The rule that lets one user run powermetrics as root, and nothing else, without I/O.

A rule without arguments, or with a `*` among them, would let the user overwrite any file with `-o`.
"""

import re

from ollamon import sudo
from ollamon.helper.powermetrics import command

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def text(user: str, uid: int, arch: str, interval_s: float, program: str = command.PROGRAM) -> str:
    """Return the file: one line for each rung of the ladder.

    Raises:
        ValueError: The user is root, who needs no rule.
    """
    if uid <= 0:
        raise ValueError("root needs no rule")
    who = user if _NAME.fullmatch(user) else f"#{uid}"
    pace = command.interval_ms(interval_s)
    forms = [(program, *command.arguments(rung, pace)) for rung in command.rungs(arch)]
    return "".join(f"{sudo.rule(who, words)}\n" for words in forms)
