"""What the children's states mean for the stack as a whole, without I/O."""

from collections.abc import Iterable
from dataclasses import dataclass

from ollamon.supervisor.messages import ChildState, StackState

HOPELESS = frozenset({ChildState.FAILED, ChildState.BLOCKED, ChildState.STOP_FAILED})
_BAD = HOPELESS | {ChildState.DEGRADED, ChildState.BACKOFF}
_COMING = frozenset({ChildState.PENDING, ChildState.STARTING, ChildState.STOPPING})
_FINAL = frozenset(ChildState) - _COMING - {ChildState.BACKOFF}
FINE = frozenset({ChildState.READY, ChildState.EXITED})


@dataclass(frozen=True, slots=True)
class Member:
    """A child as the stack sees it."""

    name: str
    state: ChildState
    is_essential: bool
    reason: str


def stack_state(members: Iterable[Member]) -> StackState:
    """Return the worst of them; `failed` only when an essential one is."""
    children = list(members)
    if any(child.state in HOPELESS and child.is_essential for child in children):
        return StackState.FAILED
    if any(child.state in _BAD for child in children):
        return StackState.DEGRADED
    if any(child.state in _COMING for child in children):
        return StackState.STARTING
    return StackState.READY


def state_when_late(members: Iterable[Member]) -> StackState:
    """Return the state at the end of the start timeout: what is still coming is late by then."""
    is_late = any(child.is_essential and child.state not in FINE for child in members)
    return StackState.FAILED if is_late else StackState.DEGRADED


def is_settled(members: Iterable[Member]) -> bool:
    """Nothing is on its way any more: waiting longer would not help."""
    return all(child.state in _FINAL for child in members)


def why_not_ready(members: Iterable[Member]) -> str:
    """Return one sentence naming every child that is not ready, "" when all are."""
    return describe(child for child in members if child.state not in FINE)


def describe(members: Iterable[Member]) -> str:
    """Return one sentence that says where each is, with its reason."""
    return "; ".join(
        f"{child.name} is {child.state}" + (f" ({child.reason})" if child.reason else "")
        for child in members
    )
