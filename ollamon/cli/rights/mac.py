"""On macOS: a rule for sudo, so that powermetrics runs as root with exactly our words."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ollamon import sudo
from ollamon.cli.rights import need, steps
from ollamon.cli.rights.asking import Sudo
from ollamon.cli.rights.person import Person
from ollamon.cli.rights.places import Places
from ollamon.cli.rights.runner import Runner
from ollamon.cli.rights.steps import Step
from ollamon.config.model import Helper
from ollamon.errors import PrivilegeError
from ollamon.helper.powermetrics import sudoers


class OnMac:
    """See `Installation`.

    Args:
        places: Where things are.
        person: Who may run it.
        helper: Its interval decides the words.
        arch: As `platform.machine()`.
    """

    def __init__(self, places: Places, person: Person, helper: Helper, arch: str) -> None:
        self._places, self.person = places, person
        self._forms = need.powermetrics(helper, arch, places.powermetrics)
        self.file = places.sudoers
        words = (arch, helper.interval, places.powermetrics)
        self.text = sudoers.text(person.name, person.uid, *words) if person.uid else ""
        self.remarks = (
            f"{person.name}, and every program that runs as {person.name}, may then run "
            "powermetrics with these words as root, without a password, and nothing else.",
        )

    def nothing(self) -> str:
        """See `Installation`."""
        return "" if Path(self._places.powermetrics).exists() else "this system has no powermetrics"

    def given(self) -> list[Step]:
        """See `Installation`."""
        return steps.allow_powermetrics(self._places, self.text)

    def check(self, runner: Runner) -> None:
        """See `Installation`."""
        for words in self._forms:
            if refused := self.refusal(words):
                raise PrivilegeError(f"sudo does not follow {self.file}: {refused}")

    def refusal(self, words: Sequence[str]) -> str:
        """Return why the person may not run these words without a password, "" when they may."""
        if os.geteuid() != 0:
            return Sudo(self._places.sudo).refusal(words)
        asked = (self._places.sudo, "-l", "-U", self.person.name)
        may = subprocess.run((*asked, "--", *words), capture_output=True, check=False)  # noqa: S603
        listed = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        if may.returncode or sudo.wants_password(listed.stdout, words):
            return "a password is required"
        return ""

    def is_there(self) -> bool:
        """See `Installation`. Where the folder cannot be seen, only root knows."""
        try:
            self.file.lstat()
        except FileNotFoundError:
            return False
        except PermissionError:
            return True
        return True

    def taken(self) -> list[Step]:
        """See `Installation`."""
        return steps.forbid_powermetrics(self._places)

    def refuse_others(self, runner: Runner) -> None:
        """See `Installation`."""
        if self.person.uid == 0:
            return
        present = runner.read(str(self.file), f"{self._places.folder}/cat") or ""
        ours = self.text.split()[0]
        others = {line.split()[0] for line in present.splitlines() if line.strip()} - {ours}
        if others:
            names = ", ".join(sorted(others))
            raise PrivilegeError(f"{self.file} is of somebody else, {names}: nothing was changed")
