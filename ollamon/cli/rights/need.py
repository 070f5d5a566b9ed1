"""What of a plan wants to run as root, without I/O."""

from dataclasses import dataclass

from ollamon.config.model import Helper
from ollamon.helper.powermetrics import command
from ollamon.services import Plan

LOSS = "CPU power"
MAC_LOSS = "GPU load, power and thermal pressure"


@dataclass(frozen=True, slots=True)
class Need:
    """Words that sudo should run.

    Attributes:
        is_ours: It is our own code, which must not be changeable by others.
        why: For whom is asked for a password.
        loss: What stays unknown without.
    """

    words: tuple[str, ...]
    is_ours: bool
    why: str
    loss: str


def of(plan: Plan, system: str, arch: str) -> Need | None:
    """Return what the helper needs, None when it needs nothing.

    Args:
        plan: What will run.
        system: As `sys.platform`.
        arch: As `platform.machine()`.
    """
    helper = next((each for each in plan.stack.services if each.name == "helper"), None)
    if helper is None:
        return None
    if helper.through_sudo:
        words = helper.argv[helper.argv.index("--") + 1 :]
        if system == "darwin":
            return Need(words, True, "to run powermetrics.", MAC_LOSS)
        return Need(words, True, "to open the CPU's energy counters; then it gives root up.", LOSS)
    if system == "darwin":
        why = "to run powermetrics, and nothing else."
        return Need(powermetrics(plan.config.helper, arch)[0], False, why, MAC_LOSS)
    return None


def powermetrics(
    helper: Helper, arch: str, program: str = command.PROGRAM
) -> list[tuple[str, ...]]:
    """Return the words for each rung of the ladder, the preferred ones first."""
    pace = command.interval_ms(helper.interval)
    return [(program, *command.arguments(rung, pace)) for rung in command.rungs(arch)]
