"""From readings of the helper to the energy of models and requests, without I/O.

docs/hardware.md has the method and its error.
"""

from collections.abc import Iterable, Sequence

from ollamon.metrics import catalog
from ollamon.metrics.instruments import Samples
from ollamon.proxy.idle import IdlePower
from ollamon.proxy.intervals import Interval, Intervals
from ollamon.proxy.sharing import Sharing, Work
from ollamon.readings import Reading


class Attribution:
    """Follows the readings."""

    def __init__(self) -> None:
        self._intervals = Intervals()
        self._idle = IdlePower()
        self._sharing = Sharing()
        self._has_helper = False
        self._is_known = False

    def ended(self, work: Work, seq: int) -> None:
        """A request that this machine worked for is over; `seq` is what `take` will call it."""
        if self._has_helper:
            self._sharing.ended(work, seq)

    def take(
        self, reading: Reading, now: float, running: Sequence[Work]
    ) -> list[tuple[int, float]]:
        """Take what the helper says; return what requests drew whose energy is known by it.

        Args:
            reading: As it came.
            now: When it came, in monotonic seconds.
            running: The requests that this machine works for.
        """
        self._has_helper = True
        interval = self._intervals.take(reading, now)
        if interval is None:
            return []
        return self._sharing.share(running, self._above_idle(interval, running, now))

    def _above_idle(self, interval: Interval, running: Sequence[Work], now: float) -> float | None:
        if interval.joules is None or interval.seconds <= 0:
            return None
        if self._sharing.is_idle(running):
            self._idle.add(interval.joules / interval.seconds, now)
        idle = self._idle.watts
        if idle is None:
            return None
        self._is_known = True
        return max(0.0, interval.joules - idle * interval.seconds)

    def samples(self, models: Iterable[str]) -> Samples:
        """Return the series; `models` have one before they have drawn anything."""
        idle: Samples = {catalog.IDLE_POWER: {(): self._idle.watts}}
        if not self._is_known:
            return idle
        joules = dict.fromkeys(models, 0.0) | self._sharing.by_model
        return {
            **idle,
            catalog.ENERGY: {(model,): value for model, value in joules.items()},
            catalog.UNATTRIBUTED_ENERGY: {(): self._sharing.nobodys},
        }
