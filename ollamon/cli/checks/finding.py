"""What a check can say, without I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ollamon.cli.words import Mark


class Severity(StrEnum):
    """How bad it is: only a problem keeps the stack from running as configured."""

    OK = "ok"
    WARN = "warn"
    PROBLEM = "problem"


MARKS = {Severity.OK: Mark.OK, Severity.WARN: Mark.WARN, Severity.PROBLEM: Mark.PROBLEM}


@dataclass(frozen=True, slots=True)
class Repair:
    """What `--fix` does about a finding: reversible, and with the rights of this user.

    Attributes:
        what: As a question begins: `remove the stale socket`.
        do: Does it, and returns a sentence about what was done. Raises OSError, OllamonError.
    """

    what: str
    do: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that can be wrong; docs/doctor.md lists them all.

    Attributes:
        id: Never changes, so that programs can look for it.
        check: The check that finds it, as `--only` names it.
        means: What it is and why it matters, one sentence.
        mends: What helps, one sentence.
    """

    id: str
    check: str
    severity: Severity
    means: str
    mends: str

    def found(self, evidence: str, fix: str = "", repair: Repair | None = None) -> "Finding":
        """Return the finding of this kind."""
        fix = "ollamon doctor --fix" if repair and not fix else fix
        return Finding(self.id, self.check, self.severity, evidence, fix, repair)


def warning(id_: str, means: str, mends: str) -> Kind:
    """Declare something that can be lived with; the check is the first word of its id."""
    return Kind(id_, id_.partition("-")[0], Severity.WARN, means, mends)


def problem(id_: str, means: str, mends: str) -> Kind:
    """Declare something that keeps the stack from running as configured."""
    return Kind(id_, id_.partition("-")[0], Severity.PROBLEM, means, mends)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Attributes:
        id: Of its kind; that of the check when all is well.
        evidence: What was seen.
        fix: The one command that mends it, or "".
        repair: What `--fix` can do about it.
    """

    id: str
    check: str
    severity: Severity
    evidence: str
    fix: str = ""
    repair: Repair | None = None


def fine(check: str, evidence: str, fix: str = "") -> Finding:
    """Return what a check says when nothing is wrong."""
    return Finding(check, check, Severity.OK, evidence, fix)
