"""What the machine draws when no request is there, without I/O."""

from bisect import bisect_left, insort
from collections import deque

KEPT_S = 3600.0
LEAST = 6
"""Intervals without requests that must be known."""
_QUANTILE = 0.05


class IdlePower:
    """A low percentile of the power without requests: whatever else runs now and then is no idle.

    Intervals count for an hour. The last six stay for as long as nothing newer comes, or a machine
    that is busy for longer would forget what it draws when it is not.
    """

    def __init__(self) -> None:
        self._intervals: deque[tuple[float, float]] = deque()
        self._ordered: list[float] = []

    def add(self, watts: float, now: float) -> None:
        """Take an interval without requests that ended `now`, in monotonic seconds."""
        self._intervals.append((now, watts))
        insort(self._ordered, watts)
        while len(self._intervals) > LEAST and self._intervals[0][0] <= now - KEPT_S:
            _, old = self._intervals.popleft()
            del self._ordered[bisect_left(self._ordered, old)]

    @property
    def watts(self) -> float | None:
        """The 5th percentile, interpolated; None while too few intervals are known."""
        if len(self._ordered) < LEAST:
            return None
        rank = _QUANTILE * (len(self._ordered) - 1)
        below = int(rank)
        low, high = self._ordered[below : below + 2]
        return low + (high - low) * (rank - below)
