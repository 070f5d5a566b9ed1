"""What a child is and what to do next, without I/O: (state, event) -> (state, actions).

The table of supervisor.md, section e4. Two rules hold it together:

* **Epochs.** Each spawn and each pause begins a new epoch. What the world reports (a timer, an
  exit, a probe) names the epoch it belongs to; when that is over, the report changes nothing. So a
  stop beats a restart that is already on its way.
* **One way out.** A process that ended is `Exited` only when its whole group is gone. Until then a
  child that should go is `stopping`, whatever the reason, and `sequel` says what follows.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from ollamon.supervisor.messages import ChildState
from ollamon.supervisor.spec import Restart


@dataclass(frozen=True, slots=True)
class EdgesMet:
    """All it waited for is settled."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """It shall end and stay so."""


@dataclass(frozen=True, slots=True)
class StartRequested:
    """It shall run: no pause, counters at zero; nothing to one that runs."""


@dataclass(frozen=True, slots=True)
class RestartRequested:
    """A person wants it anew: no pause, counters at zero."""


@dataclass(frozen=True, slots=True)
class BecameReady:
    """It said so, or a probe did; `t` is monotonic seconds, as everywhere below."""

    epoch: int
    t: float


@dataclass(frozen=True, slots=True)
class StartTimedOut:
    """It was not ready in time."""

    epoch: int
    detail: str


@dataclass(frozen=True, slots=True)
class Unwell:
    """Several looks at its readiness were bad."""

    epoch: int
    detail: str


@dataclass(frozen=True, slots=True)
class Well:
    """Several looks were good again."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Dead:
    """It runs, but has shown no sign of life for too long."""

    epoch: int
    detail: str


@dataclass(frozen=True, slots=True)
class Exited:
    """Its process is reaped and its group is empty; `code` is negative for a signal."""

    epoch: int
    t: float
    code: int


@dataclass(frozen=True, slots=True)
class CannotSpawn:
    """There is no process; `is_final` when no second try can mend it."""

    epoch: int
    t: float
    detail: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Elapsed:
    """A pause is over."""

    epoch: int


Event = (
    EdgesMet
    | StopRequested
    | StartRequested
    | RestartRequested
    | BecameReady
    | StartTimedOut
    | Unwell
    | Well
    | Dead
    | Exited
    | CannotSpawn
    | Elapsed
)


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process, watch it, and set the start timeout."""


@dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM to the group, SIGKILL at the deadline."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Report `Elapsed` after so many seconds, give or take the jitter."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CloseSockets:
    """Give its held addresses back, so that clients are refused at once instead of hanging."""


Action = Spawn | Terminate | Wait | CloseSockets


class Sequel(StrEnum):
    """What follows `stopping`."""

    STAY = "stay"
    START = "start"
    BACKOFF = "backoff"


RUNNING = frozenset({ChildState.STARTING, ChildState.READY, ChildState.DEGRADED})
RESTING = frozenset({ChildState.BACKOFF, ChildState.FAILED, ChildState.STOPPED})


@dataclass(frozen=True, slots=True)
class Lifecycle:
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

    def on(self, event: Event) -> tuple["Lifecycle", tuple[Action, ...]]:
        """Return what it is after the event, and what to do about it."""
        match event:
            case EdgesMet() | StopRequested() | StartRequested() | RestartRequested():
                return self._on_wish(event)
            case _ if event.epoch != self.epoch:
                return self, ()
            case BecameReady() | StartTimedOut() | Unwell() | Well() | Dead():
                return self._on_sign(event)
            case Exited():
                return self._on_exit(event)
            case CannotSpawn():
                return self._on_no_process(event)
            case Elapsed():
                return self._on_elapsed()
            case _:
                assert_never(event)

    def _on_wish(
        self, event: EdgesMet | StopRequested | StartRequested | RestartRequested
    ) -> tuple["Lifecycle", tuple[Action, ...]]:
        match event, self.state:
            case EdgesMet(), ChildState.PENDING:
                return self._spawned()
            case StopRequested(), ChildState.PENDING | ChildState.BACKOFF | ChildState.FAILED:
                return replace(self, state=ChildState.STOPPED, reason=""), (CloseSockets(),)
            case StopRequested(), ChildState.STOPPING:
                return replace(self, sequel=Sequel.STAY), (CloseSockets(),)
            case StopRequested(), _ if self.state in RUNNING:
                return self._stopping(Sequel.STAY, ""), (CloseSockets(), Terminate())
            case StartRequested() | RestartRequested(), _ if self.state in RESTING:
                return self._pardoned()._pending(), ()
            case StartRequested() | RestartRequested(), ChildState.STOPPING:
                return replace(self._pardoned(), sequel=Sequel.START), ()
            case RestartRequested(), _ if self.state in RUNNING:
                return self._pardoned()._stopping(Sequel.START, "restart asked for"), (Terminate(),)
            case _:
                return self, ()

    def _on_sign(
        self, event: BecameReady | StartTimedOut | Unwell | Well | Dead
    ) -> tuple["Lifecycle", tuple[Action, ...]]:
        match event, self.state:
            case BecameReady(t=t), ChildState.STARTING:
                return replace(self, state=ChildState.READY, ready_at=t, reason=""), ()
            case StartTimedOut(detail=detail), ChildState.STARTING:
                return self._stopping(Sequel.BACKOFF, detail), (Terminate(),)
            case Unwell(detail=detail), ChildState.READY:
                return replace(self, state=ChildState.DEGRADED, reason=detail), ()
            case Well(), ChildState.DEGRADED:
                return replace(self, state=ChildState.READY, reason=""), ()
            case Dead(detail=detail), ChildState.READY | ChildState.DEGRADED:
                return self._stopping(Sequel.BACKOFF, detail), (Terminate(),)
            case _:
                return self, ()

    def _on_exit(self, event: Exited) -> tuple["Lifecycle", tuple[Action, ...]]:
        how = describe_exit(event.code)
        ended = replace(self, last_exit=how)
        match self.state:
            case ChildState.STOPPING if self.sequel is Sequel.STAY:
                return replace(ended, state=ChildState.STOPPED, reason=""), ()
            case ChildState.STOPPING if self.sequel is Sequel.START:
                return ended._pending(), ()
            case ChildState.STOPPING:
                return ended._after_end(event.t, self.reason)
            case _ if self.state in RUNNING and event.code in self.rules.fatal_codes:
                return ended._failed(f"{how}: no second try can mend this")
            case _ if self.state in RUNNING:
                return ended._after_end(event.t, how)
            case _:
                return self, ()

    def _on_no_process(self, event: CannotSpawn) -> tuple["Lifecycle", tuple[Action, ...]]:
        if self.state is not ChildState.STARTING:
            return self, ()
        if event.is_final:
            return self._failed(event.detail)
        return self._after_end(event.t, event.detail)

    def _on_elapsed(self) -> tuple["Lifecycle", tuple[Action, ...]]:
        match self.state:
            case ChildState.BACKOFF:
                return self._spawned()
            case ChildState.FAILED:
                return self._pardoned()._pending(), ()
            case _:
                return self, ()

    def _spawned(self) -> tuple["Lifecycle", tuple[Action, ...]]:
        started = replace(
            self,
            state=ChildState.STARTING,
            epoch=self.epoch + 1,
            spawns=self.spawns + 1,
            ready_at=None,
            reason="",
        )
        return started, (Spawn(),)

    def _stopping(self, sequel: Sequel, reason: str) -> "Lifecycle":
        return replace(self, state=ChildState.STOPPING, sequel=sequel, reason=reason)

    def _pending(self) -> "Lifecycle":
        return replace(self, state=ChildState.PENDING, epoch=self.epoch + 1)

    def _pardoned(self) -> "Lifecycle":
        return replace(self, failures=0, ends=())

    def _after_end(self, t: float, reason: str) -> tuple["Lifecycle", tuple[Action, ...]]:
        """Count an end that nobody asked for, and choose between a pause and giving up."""
        was_stable = self.ready_at is not None and t - self.ready_at >= self.rules.stable_after_s
        weight = 2 if self.ready_at is None else 1
        recent = tuple(end for end in self.ends if t - end[0] < self.rules.within_s)
        counted = replace(self, ends=(*recent, (t, weight)))
        if sum(end[1] for end in counted.ends) >= self.rules.give_up:
            return counted._failed(f"{reason}; given up after {len(counted.ends)} tries")
        if was_stable:
            return counted._backoff(0.0, 0, reason)
        pause = min(self.rules.initial_s * self.rules.factor**self.failures, self.rules.max_s)
        return counted._backoff(pause, self.failures + 1, reason)

    def _backoff(
        self, pause_s: float, failures: int, reason: str
    ) -> tuple["Lifecycle", tuple[Action, ...]]:
        waiting = replace(
            self,
            state=ChildState.BACKOFF,
            epoch=self.epoch + 1,
            failures=failures,
            reason=reason,
        )
        return waiting, (Wait(pause_s),)

    def _failed(self, reason: str) -> tuple["Lifecycle", tuple[Action, ...]]:
        failed = replace(self, state=ChildState.FAILED, epoch=self.epoch + 1, reason=reason)
        return failed, (CloseSockets(), Wait(self.rules.retry_s))


def describe_exit(code: int) -> str:
    """Return `exit 1`, or `signal 9` for a negative code."""
    return f"signal {-code}" if code < 0 else f"exit {code}"
