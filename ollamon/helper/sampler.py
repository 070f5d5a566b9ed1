"""Starts a watch for every source, and tells at any moment what all of them know."""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from ollamon import __version__
from ollamon.helper import sysfs
from ollamon.helper.assemble import Frame, assemble, health, summary
from ollamon.helper.collector import Collector, Watch
from ollamon.helper.follower import Follower
from ollamon.readings import Platform, Reading, System, clean_name

_LEAVE_S = 5.0


class Sampler:
    """All sources together. Asking it reads no source.

    Args:
        sources: In order of preference.
        interval_s: Seconds between two samples.
        here: The machine.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        sources: Iterable[Collector | Follower],
        interval_s: float,
        here: Platform,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watches = [
            source if isinstance(source, Follower) else Watch(source, interval_s, clock)
            for source in sources
        ]
        self._interval_s = interval_s
        self._here = here
        self._clock = clock
        self._born = clock()

    def start(self, stop: threading.Event) -> None:
        """Sample until `stop`, each source in a thread of its own."""
        for watch in self._watches:
            watch.start(stop)

    def join(self) -> None:
        """After `stop`: wait until the programs that sources run have ended, at most 5 s."""
        deadline = time.monotonic() + _LEAVE_S
        for watch in self._watches:
            if isinstance(watch, Follower):
                watch.join(max(0.0, deadline - time.monotonic()))

    def reading(self) -> Reading:
        """All that is known now."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        frame = Frame(
            helper_version=__version__,
            timestamp=now.replace("+00:00", "Z"),
            uptime_seconds=self._clock() - self._born,
            interval_seconds=self._interval_s,
            platform=self._here,
        )
        return assemble(frame, [watch.view() for watch in self._watches])

    def health(self) -> str:
        """Return ok, degraded or unavailable."""
        return health([watch.view() for watch in self._watches])

    def summary(self) -> str:
        """Return in one line what is read, and what is not and why."""
        return summary([watch.view() for watch in self._watches])


def this_machine() -> Platform:
    """Describe the machine that we run on."""
    name = platform.system().lower()
    model = sysfs.read_text(sysfs.ROOT / "class" / "dmi" / "id" / "product_name")
    return Platform(
        system=System(name) if name in ("darwin", "linux") else System.OTHER,
        release=clean_name(platform.release()),
        arch=clean_name(platform.machine()),
        model=clean_name(model) if model else None,
        privileged=os.geteuid() == 0,
    )
