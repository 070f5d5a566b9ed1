"""What a check is told, and what it says, without I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ollamon.cli.words import Mark
from ollamon.config.load import Loaded
from ollamon.services import Plan
from ollamon.supervisor.messages import StackStatus

Find = Callable[[str], str | None]


class Severity(StrEnum):
    """How bad it is: only a problem keeps the stack from running as configured."""

    OK = "ok"
    WARN = "warn"
    PROBLEM = "problem"


MARKS = {Severity.OK: Mark.OK, Severity.WARN: Mark.WARN, Severity.PROBLEM: Mark.PROBLEM}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Attributes:
        check: Name of the check.
        evidence: What was seen.
        fix: The one command that mends it, or "".
    """

    check: str
    severity: Severity
    evidence: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """What checks look at.

    Attributes:
        loaded: The configuration.
        plan: What `ollamon up` would run; None when a required program is missing.
        status: What runs now, None when nothing does.
        find: Name or path of a program -> its path, or None.
        ollama_host: The variable of that name.
    """

    loaded: Loaded
    plan: Plan | None
    status: StackStatus | None
    find: Find
    ollama_host: str = ""
