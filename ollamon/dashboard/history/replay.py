"""Steps as a store of series, so that every expression evaluates over them, without I/O.

A rate is the growth of the whole steps in its window, divided by the time of those that are known;
a window shorter than a step is as long as one.
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from ollamon.dashboard.history.steps import Key, Step
from ollamon.metrics.series import Labels


class Replay:
    """Answers as a `SeriesStore` does, at multiples of the step.

    Args:
        steps: In the order of time; they begin at a keyframe or before it.
        step_s: How long each is.
    """

    def __init__(self, steps: Iterable[Step], step_s: int) -> None:
        self._step = step_s
        self._known = array("q")
        self._tracks: dict[str, dict[Labels, Track]] = {}
        for step in steps:
            self._known.append(step.t)
            self._add(step)
        for name, tracks in self._tracks.items():
            # In the order of a real store: sums depend on it in their last bit.
            self._tracks[name] = dict(sorted(tracks.items()))

    def select(
        self, name: str, matches: Callable[[Labels], bool] | None = None
    ) -> "Iterator[tuple[Labels, Track]]":
        """Yield the series of a name whose labels match, in the order of their labels."""
        for labels, track in self._tracks.get(name, {}).items():
            if matches is None or matches(labels):
                yield labels, track

    def _add(self, step: Step) -> None:
        for key, growth in step.growth.items():
            self._track(key).add(step.t, growth)
        for key, level in step.levels.items():
            self._track(key).add(step.t, level.last)
        for key in step.ended:
            self._track(key).end(step.t)

    def _track(self, key: Key) -> "Track":
        tracks = self._tracks.setdefault(key.name, {})
        track = tracks.get(key.labels)
        if track is None:
            track = tracks[key.labels] = Track(self._known, self._step)
        return track


class Track:
    """One series; answers as a `Ring` does. Times are Unix milliseconds."""

    def __init__(self, known: Sequence[int], step_s: int) -> None:
        self._known = known
        self._step = step_s
        self._times = array("q")
        self._values = array("d")
        self._sums = array("d", [0.0])
        self._ends = array("q")
        """Time of each value's end: the series was gone from there on; 0 while it stays."""

    def add(self, t: int, value: float) -> None:
        """Take a step in which it changed, or that names all."""
        self._times.append(t)
        self._values.append(value)
        self._sums.append(self._sums[-1] + value)
        self._ends.append(0)

    def end(self, t: int) -> None:
        """It was gone at the end of a step."""
        if self._times:
            self._ends[-1] = t

    def last(self, at: int) -> float | None:
        """The value at a time, None where nothing was scraped or the series was not there."""
        t = at // 1000
        place = bisect_right(self._times, t) - 1
        if place < 0 or not self._is_known(t):
            return None
        end = self._ends[place]
        return None if end and end <= t else self._values[place]

    def rate(self, at: int, width: int) -> float | None:
        """The growth per second over a window; None where nothing of it is known."""
        t = at // 1000
        start = t - max(self._step, -(-width // 1000 // self._step) * self._step)
        known = bisect_right(self._known, t) - bisect_right(self._known, start)
        if not known or not self._was_there(start, t):
            return None
        growth = (
            self._sums[bisect_right(self._times, t)] - self._sums[bisect_right(self._times, start)]
        )
        # Differences of sums leave dust where nothing grew.
        return max(0.0, growth) / (known * self._step) if growth > 1e-9 else 0.0

    def _was_there(self, start: int, t: int) -> bool:
        place = bisect_right(self._times, t) - 1
        if place < 0:
            return False
        end = self._ends[place]
        return self._times[place] > start or not end or end > start

    def _is_known(self, t: int) -> bool:
        place = bisect_left(self._known, t)
        return place < len(self._known) and self._known[place] == t


def grid(end: float, seconds: float, step_s: int) -> range:
    """Return the times of a stretch, multiples of the step; the last one is over."""
    last = math.floor(end / step_s) * step_s
    return range(last - int(seconds) // step_s * step_s + step_s, last + 1, step_s)
