"""The exact words that run powermetrics, and what its complaints mean, without I/O.

A rule for sudo names the same words byte for byte, so that nothing
else may run as root. Never `-o` or `-u`: with them anybody could overwrite any file.
"""

from dataclasses import dataclass

from ollamon import sudo

PROGRAM = "/usr/bin/powermetrics"
# A closed set, so that the rule for sudo holds for whole classes of intervals.
INTERVALS_MS = (2000, 5000, 10_000)
# The child ends by itself after an hour, should nobody be left who may end it.
_LIFE_MS = 3_600_000
ARM = "arm64"

_REFUSED = (
    *("unrecognized sampler", "unrecognized option", "illegal option", "invalid option"),
    "usage:",
)


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to run it: the newest systems take the first, older ones refuse some words of it."""

    samplers: str
    has_flag: bool = False
    is_plist: bool = True


def rungs(arch: str) -> tuple[Rung, ...]:
    """Return the ladder of a machine. The sampler `smc` is an error on Apple Silicon."""
    plain = "cpu_power,gpu_power,thermal"
    rich = plain if arch == ARM else f"{plain},smc"
    poor = "cpu_power" if arch == ARM else plain
    return (Rung(rich, True), Rung(rich), Rung(poor), Rung(poor, is_plist=False))


def interval_ms(interval_s: float) -> int:
    """Return the longest interval of the closed set that is not longer; else the shortest."""
    fitting = [each for each in INTERVALS_MS if each <= interval_s * 1000]
    return max(fitting, default=INTERVALS_MS[0])


def arguments(rung: Rung, milliseconds: int) -> tuple[str, ...]:
    """Return what follows the program's name."""
    form = ("-f", "plist") if rung.is_plist else ()
    pace = ("-i", str(milliseconds), "-n", str(_LIFE_MS // milliseconds))
    flag = ("--handle-invalid-values",) if rung.has_flag else ()
    return ("-s", rung.samplers, *form, *pace, "-b", "0", "-a", "0", *flag)


def is_refused(complaint: str) -> bool:
    """Say whether it does not know one of the words."""
    return any(words in complaint.lower() for words in _REFUSED)


def is_denied(complaint: str) -> bool:
    """Say whether it, or sudo, wants more rights."""
    return sudo.is_refused(complaint) or "must be invoked as the superuser" in complaint.lower()
