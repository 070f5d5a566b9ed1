"""Runs steps as root, each a call of its own, and takes back what was done when one fails."""

import os
import subprocess
from collections.abc import Iterable, Sequence

from ollamon.cli.rights.asking import PROMPT
from ollamon.cli.rights.steps import Step, Words
from ollamon.errors import PrivilegeError

_PATIENCE_S = 120.0


class Runner:
    """Runs words as root.

    Args:
        sudo: Its path.
        may_ask: sudo may ask a person for the password.
    """

    def __init__(self, sudo: str, *, may_ask: bool) -> None:
        how = ("-p", PROMPT) if may_ask else ("-n",)
        self._prefix: Words = () if os.geteuid() == 0 else (sudo, *how, "--")
        self._done: list[Step] = []

    def run(self, steps: Iterable[Step]) -> None:
        """Run them in order.

        Raises:
            PrivilegeError: One failed, and what came before it is undone.
        """
        for step in steps:
            code, said, complaint = self._call(step.words, step.text)
            is_wrong = step.answer is not None and said != step.answer
            if code == 0 and not is_wrong:
                self._done.append(step)
                continue
            reason = complaint or said if code else "the file is not what was written"
            if step.has_halves:
                self._done.append(step)
            self.undo()
            raise PrivilegeError(
                f"cannot run {shown(step.words)}: {reason.strip() or f'exit {code}'}\n"
                "       What was done before is undone."
            )

    def undo(self) -> None:
        """Take back what was done, the last first."""
        while self._done:
            for words in self._done.pop().undo:
                self._call(words)

    def read(self, path: str, cat: str) -> str | None:
        """Return a file of root's, None when there is none."""
        code, said, _ = self._call((cat, path))
        return None if code else said

    def _call(self, words: Sequence[str], text: str = "") -> tuple[int, str, str]:
        try:
            done = subprocess.run(  # noqa: S603
                (*self._prefix, *words),
                input=text,
                capture_output=True,
                text=True,
                env={**os.environ, "LC_ALL": "C"},
                timeout=_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return 1, "", str(error)
        return done.returncode, done.stdout, done.stderr


def shown(words: Sequence[str]) -> str:
    """Return words as a person would type them."""
    import shlex

    return shlex.join(words)
