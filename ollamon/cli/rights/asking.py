"""Asks sudo what may be run, and once, in the foreground, a person for a password."""

import os
import subprocess
from collections.abc import Sequence

from ollamon import sudo

PROMPT = "[ollamon] password for %p: "
_PATIENCE_S = 15.0


class Sudo:
    """The real one.

    Args:
        program: Its path.
        has_session: Ask as a process of this terminal; without, as one in the background, for
            which a password that was given here does not count.
    """

    def __init__(self, program: str = sudo.PROGRAM, *, has_session: bool = True) -> None:
        self.has_session = has_session
        self._program = program

    def refusal(self, words: Sequence[str]) -> str:
        """Return why these words may not be run now without a password, "" when they may."""
        code, said = self._ask(sudo.question(words))
        if code != 0:
            return _last_line(said) or "sudo does not allow it"
        # It answers yes to words that want a password too, where others are free.
        if sudo.wants_password(self._ask((*sudo.SILENT, "-l"))[1], words):
            code, said = self._ask((*sudo.SILENT, "-v"))
            return (_last_line(said) or "sudo wants a password") if code else ""
        return ""

    def authenticate(self) -> bool:
        """Let sudo ask the person, three times as it does; return whether it is content."""
        words = (self._program, "-v", "-p", PROMPT)
        try:
            return subprocess.run(words, check=False).returncode == 0  # noqa: S603
        except OSError:
            return False

    def _ask(self, words: Sequence[str]) -> tuple[int, str]:
        try:
            done = subprocess.run(  # noqa: S603
                (self._program, *words[1:]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=not self.has_session,
                timeout=_PATIENCE_S,
                check=False,
            )
        except FileNotFoundError:
            return 1, "sudo is not installed"
        except (OSError, subprocess.SubprocessError) as error:
            return 1, f"sudo cannot be asked: {error}"
        return done.returncode, done.stdout.decode(errors="replace")


def may_ask() -> bool:
    """Say whether a person sits in front of us: a terminal whose foreground we are.

    In the background sudo would be stopped by the terminal, and hang silently.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp() and os.isatty(0)
    except OSError:
        return False
    finally:
        os.close(terminal)


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1].strip().removeprefix("sudo: ") if lines else ""
