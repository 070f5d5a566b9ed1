"""What is remembered of one child's life, and how its ends are counted, without I/O."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from ollamon.supervisor.messages import ChildState
from ollamon.supervisor.spec import Restart, RestartPolicy


class Sequel(StrEnum):
    """What follows `stopping`."""

    STAY = "stay"
    START = "start"
    BACKOFF = "backoff"


@dataclass(frozen=True, slots=True)
class Life:
    """Where one child is.

    Attributes:
        ready_at: When this incarnation became ready, None before.
        failures: Unstable ends in a row: the exponent of the backoff.
        ends: (time, weight) of the ends within the window of `rules.within_s`.
        spawns: How often it was started.
        last_exit: `exit 1`, `signal 9`, or "".
        reason: Why it is not ready, for people.
    """

    rules: Restart = field(default_factory=Restart)
    state: ChildState = ChildState.PENDING
    epoch: int = 0
    ready_at: float | None = None
    failures: int = 0
    ends: tuple[tuple[float, int], ...] = ()
    spawns: int = 0
    sequel: Sequel = Sequel.STAY
    last_exit: str = ""
    reason: str = ""

    def new_epoch(self) -> "Life":
        """Whatever was reported so far concerns it no more."""
        return replace(self, epoch=self.epoch + 1)

    def pardoned(self) -> "Life":
        """Counters at zero."""
        return replace(self, failures=0, ends=(), reason="")

    def after_end(self, t: float) -> "Life":
        """Count an end that nobody asked for; one before the first readiness counts double."""
        weight = 2 if self.ready_at is None else 1
        return replace(self, ends=(*self._recent(t), (t, weight)))

    def is_given_up_by(self, t: float) -> bool:
        """One end more at `t` would be too many."""
        return sum(end[1] for end in self.after_end(t).ends) >= self.rules.give_up

    def pause_after(self, t: float) -> tuple[float, int]:
        """Return how long to wait after an end at `t`, and how many failures that makes.

        A child that had been stable, or had been ready and has not ended within the window, comes
        back at once: only what comes again soon is worth a pause.
        """
        is_first = self.ready_at is not None and not self._recent(t)
        was_stable = self.ready_at is not None and t - self.ready_at >= self.rules.stable_after_s
        if is_first or was_stable:
            return 0.0, 0
        pause_s = min(self.rules.initial_s * self.rules.factor**self.failures, self.rules.max_s)
        return pause_s, self.failures + 1

    def is_over_with(self, code: int) -> bool:
        """The exit was no failure, and the policy wants no other start."""
        wants_more = self.rules.policy is RestartPolicy.ALWAYS
        return not wants_more and code in self.rules.success_codes

    def is_final(self, code: int) -> bool:
        """No second try can mend this exit, or the policy wants none."""
        is_never = self.rules.policy is RestartPolicy.NEVER
        return code in self.rules.fatal_codes or (is_never and not self.is_over_with(code))

    def _recent(self, t: float) -> tuple[tuple[float, int], ...]:
        return tuple(end for end in self.ends if t - end[0] < self.rules.within_s)


def describe_exit(code: int) -> str:
    """Return `exit 1`, or `signal 9` for a negative code."""
    return f"signal {-code}" if code < 0 else f"exit {code}"
