"""What an installation consists of, whatever the system."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ollamon.cli.rights.person import Person
from ollamon.cli.rights.runner import Runner
from ollamon.cli.rights.steps import Step


class Installation(Protocol):
    """What can be given on one system."""

    @property
    def person(self) -> Person:
        """For whom it is."""
        ...

    @property
    def file(self) -> Path:
        """The file that gives it."""
        ...

    @property
    def text(self) -> str:
        """What stands in it."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """What a person should know before and after."""
        ...

    def nothing(self) -> str:
        """Return why there is nothing to give here, "" when there is."""
        ...

    def given(self) -> list[Step]:
        """Return the steps that give it."""
        ...

    def check(self, runner: Runner) -> None:
        """Raise PrivilegeError: it does not have its effect."""
        ...

    def is_there(self) -> bool:
        """Say whether something is to be taken back."""
        ...

    def taken(self) -> list[Step]:
        """Return the steps that take it back."""
        ...

    def refuse_others(self, runner: Runner) -> None:
        """Raise PrivilegeError: what is there belongs to somebody else."""
        ...
