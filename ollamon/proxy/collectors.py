"""How the sources of numbers fare: up, last success, duration and errors, onto the board."""

import time
from collections.abc import Callable

from ollamon.metrics import catalog
from ollamon.metrics.instruments import Board


class CollectorHealth:
    """One source of numbers.

    Args:
        board: Where it is shown.
        name: Value of the label `collector`.
        clock: Monotonic seconds.
        wall: Unix time.
    """

    def __init__(
        self,
        board: Board,
        name: str,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._board = board
        self._name = name
        self._clock = clock
        self._wall = wall
        self._began_at = clock()
        self._errors = 0
        board.set(catalog.COLLECTOR_ERRORS, 0, name)

    def begin(self) -> None:
        """A reading begins."""
        self._began_at = self._clock()

    def worked(self, lasts: float) -> None:
        """It succeeded; it counts as up for `lasts` seconds."""
        self._board.set(catalog.COLLECTOR_UP, 1, self._name, lasts=lasts)
        self._board.set(catalog.COLLECTOR_LAST_SUCCESS, self._wall(), self._name)
        self._board.set(catalog.COLLECTOR_DURATION, self._clock() - self._began_at, self._name)

    def failed(self, lasts: float, *, is_starting: bool = False) -> None:
        """It failed; one that may still be starting is neither up nor down."""
        if is_starting:
            return
        self._errors += 1
        self._board.set(catalog.COLLECTOR_ERRORS, self._errors, self._name)
        self._board.set(catalog.COLLECTOR_UP, 0, self._name, lasts=lasts)
