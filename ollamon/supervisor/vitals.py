"""When single looks at a child become a verdict about it, without I/O."""

from dataclasses import dataclass, replace
from enum import StrEnum

from ollamon.supervisor.spec import Rhythm


class Verdict(StrEnum):
    """What several looks mean together."""

    WELL = "well"
    UNWELL = "unwell"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Vitals:
    """Looks in a row: readiness and liveness are counted apart, and share no fate."""

    rhythm: Rhythm
    is_well: bool = True
    bad: int = 0
    good: int = 0
    dead: int = 0

    def looked(self, is_ok: bool) -> tuple["Vitals", Verdict | None]:
        """Count a look at readiness."""
        bad, good = (0, self.good + 1) if is_ok else (self.bad + 1, 0)
        counted = replace(self, bad=bad, good=good)
        if self.is_well and bad >= self.rhythm.unwell_after:
            return replace(counted, is_well=False), Verdict.UNWELL
        if not self.is_well and good >= self.rhythm.well_after:
            return replace(counted, is_well=True), Verdict.WELL
        return counted, None

    def lived(self, is_ok: bool) -> tuple["Vitals", Verdict | None]:
        """Count a liveness probe."""
        counted = replace(self, dead=0 if is_ok else self.dead + 1)
        return counted, Verdict.DEAD if counted.dead >= self.rhythm.dead_after else None


def verdict_of_silence(age_s: float, rhythm: Rhythm, *, is_well: bool) -> Verdict | None:
    """Judge a child that reports by itself, by the age of its last WATCHDOG=1."""
    if age_s >= rhythm.live_interval_s * rhythm.dead_after:
        return Verdict.DEAD
    is_late = age_s >= rhythm.interval_s * rhythm.unwell_after
    if is_late == is_well:
        return Verdict.UNWELL if is_late else Verdict.WELL
    return None
