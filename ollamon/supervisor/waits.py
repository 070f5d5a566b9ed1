"""Clients that wait until children are ready or stopped."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ollamon.errors import ControlError, DegradedError, OllamonError, StartError
from ollamon.supervisor.messages import ChildState
from ollamon.supervisor.verdict import FINE, HOPELESS, Member, describe

Tell = Callable[[OllamonError | None], None]
_DOWN = frozenset({ChildState.STOPPED, ChildState.FAILED, ChildState.EXITED, ChildState.BLOCKED})


class Goal(StrEnum):
    """What a client waits for."""

    READY = "ready"
    STOPPED = "stopped"

    @classmethod
    def of(cls, word: object) -> "Goal":
        """Read it. Raises ControlError: it is none."""
        try:
            return cls(str(word))
        except ValueError:
            raise ControlError(f"cannot wait for {word!r}: there is ready, stopped") from None


@dataclass(eq=False, slots=True)
class _Wait:
    owner: object
    names: Sequence[str]
    goal: Goal
    tell: Tell
    timer: asyncio.TimerHandle | None = None


class Waits:
    """All that wait; each is told once: None when it is reached, or why it is not."""

    def __init__(self, members: Callable[[], list[Member]]) -> None:
        self._members = members
        self._waits: list[_Wait] = []

    def add(
        self, owner: object, names: Sequence[str], goal: Goal, timeout_s: float | None, tell: Tell
    ) -> None:
        """Wait for children; without end unless there is a limit.

        Raises:
            ControlError: There is no child of such a name.
        """
        known = [member.name for member in self._members()]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ControlError(f"cannot wait for {unknown[0]}: there is {', '.join(known)}")
        wait = _Wait(owner, names, goal, tell)
        if timeout_s is not None:
            loop = asyncio.get_running_loop()
            wait.timer = loop.call_later(timeout_s, self._expired, wait, timeout_s)
        self._waits.append(wait)
        self.look()

    def look(self) -> None:
        """Tell those who have waited long enough."""
        for wait in tuple(self._waits):
            chosen = self._chosen(wait)
            if is_reached(wait.goal, chosen):
                self._finish(wait, None)
            elif is_hopeless(wait.goal, chosen):
                self._finish(wait, StartError(why_not(wait.goal, chosen)))

    def forget(self, owner: object) -> None:
        """A client has gone."""
        for wait in tuple(self._waits):
            if wait.owner is owner:
                self._drop(wait)

    def end(self) -> None:
        """Everything is down."""
        for wait in tuple(self._waits):
            is_met = wait.goal is Goal.STOPPED
            self._finish(wait, None if is_met else StartError("everything was stopped"))

    def _expired(self, wait: _Wait, timeout_s: float) -> None:
        chosen = self._chosen(wait)
        text = f"not within {timeout_s:g} s: {why_not(wait.goal, chosen)}"
        runs = all(each.state in (ChildState.READY, ChildState.DEGRADED) for each in chosen)
        is_degraded = wait.goal is Goal.READY and runs
        self._finish(wait, DegradedError(text) if is_degraded else StartError(text))

    def _chosen(self, wait: _Wait) -> list[Member]:
        members = {member.name: member for member in self._members()}
        return [members[name] for name in wait.names if name in members]

    def _finish(self, wait: _Wait, outcome: OllamonError | None) -> None:
        self._drop(wait)
        wait.tell(outcome)

    def _drop(self, wait: _Wait) -> None:
        if wait.timer is not None:
            wait.timer.cancel()
        self._waits.remove(wait)


def is_reached(goal: Goal, members: Sequence[Member]) -> bool:
    """All are where they should be."""
    wanted = FINE if goal is Goal.READY else _DOWN
    return all(member.state in wanted for member in members)


def is_hopeless(goal: Goal, members: Sequence[Member]) -> bool:
    """One of them will not get there by itself, or not soon."""
    states = {member.state for member in members}
    if goal is Goal.READY:
        return bool(states & HOPELESS)
    return ChildState.STOP_FAILED in states


def why_not(goal: Goal, members: Sequence[Member]) -> str:
    """Name those that are not where they should be, each with its reason."""
    return describe(member for member in members if not is_reached(goal, [member]))
