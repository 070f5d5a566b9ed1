"""Says what became of the stack: once when the start is decided, and then at every change."""

from collections.abc import Callable

from ollamon.supervisor.journal import Journal
from ollamon.supervisor.messages import StackState
from ollamon.supervisor.verdict import (
    Member,
    is_settled,
    stack_state,
    state_when_late,
    why_not_ready,
)


class Herald:
    """Speaks for the stack as a whole; `limit_s` is how long its start may take."""

    def __init__(
        self, journal: Journal, members: Callable[[], list[Member]], limit_s: float
    ) -> None:
        self._journal = journal
        self._members = members
        self._limit_s = limit_s
        self._last: StackState | None = None

    def look(self) -> None:
        """Tell the state when it is another one; during the start, when nothing is to come."""
        members = self._members()
        if self._last is None and not is_settled(members):
            return
        now = stack_state(members)
        if now is not self._last:
            self._last = now
            self._journal.emit("", now, why_not_ready(members))

    def start_timed_out(self) -> None:
        """Tell who was not ready in time, unless the start is decided already."""
        if self._last is not None:
            return
        members = self._members()
        # Remembered as it is, so that the next real change is told.
        self._last = stack_state(members)
        detail = f"not all ready within {self._limit_s:g} s: {why_not_ready(members)}"
        self._journal.emit("", state_when_late(members), detail)
