"""What can happen to a child, and what can be done about it, without I/O.

What the world reports (a timer, an exit, a probe) names the epoch it belongs to.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EdgesMet:
    """All it waited for is settled."""


@dataclass(frozen=True, slots=True)
class RequirementLost:
    """Something that it requires will not come by itself."""

    detail: str


@dataclass(frozen=True, slots=True)
class RequirementBack:
    """What it requires is on its way again."""


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
class CannotEnd:
    """Something of its group outlives SIGKILL, or is not ours to kill."""

    epoch: int
    detail: str


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


Wish = (
    EdgesMet | RequirementLost | RequirementBack | StopRequested | StartRequested | RestartRequested
)
Event = (
    Wish
    | BecameReady
    | StartTimedOut
    | Unwell
    | Well
    | Dead
    | Exited
    | CannotEnd
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
