"""What is seen of one child, for `status`: its own words, the last look, and its appetite."""

import time
from collections.abc import Iterator
from dataclasses import replace

import psutil

from ollamon.supervisor.messages import Health, Outsider, OutsideState

MOST_OUTSIDE = 8


class Observation:
    """Of the incarnation that runs now.

    Attributes:
        words: Its last STATUS=...
        hint: What we found out about its end, "" when nothing.
    """

    def __init__(self) -> None:
        self.words = ""
        self.hint = ""
        self._look: tuple[bool, float, str] | None = None
        self._process: psutil.Process | None = None
        self._outside: dict[str, tuple[Outsider, float]] = {}

    def begin(self, pid: int) -> None:
        """Watch the appetite of a process; its CPU time counts from now on."""
        try:
            self._process = psutil.Process(pid)
            self._process.cpu_percent()
        except psutil.Error:
            self._process = None

    def end(self) -> None:
        """There is no process any more."""
        self._process = None

    def looked(self, is_ok: bool, now: float, detail: str) -> None:
        """Remember a look."""
        self._look = (is_ok, now, detail)

    def health(self, now: float) -> Health | None:
        """Return the last look and its age; None without a process or a look."""
        if self._look is None or self._process is None:
            return None
        is_ok, at, detail = self._look
        return Health(is_ok, max(0.0, now - at), detail)

    def saw(self, text: str, now: float) -> None:
        """Remember `NAME ok|bad ADDRESS DETAIL` about something that is not ours."""
        name, word, address, detail = [*text.split(" ", 3), "", "", ""][:4]
        before = self._outside.get(name)
        if word not in ("ok", "bad") or (before is None and len(self._outside) >= MOST_OUTSIDE):
            return
        is_ok = word == "ok"
        state = OutsideState.UP if is_ok else OutsideState.DOWN
        is_same = before is not None and before[0].state is state
        since = before[0].since if before is not None and is_same else time.time()
        seen = Outsider(name, state, since, Health(is_ok, 0.0, detail), address, detail)
        self._outside[name] = (seen, now)

    def outside(self, now: float) -> Iterator[Outsider]:
        """Yield what is not ours, with the age of each look; nothing without a process."""
        for seen, at in self._outside.values() if self._process is not None else ():
            if seen.health is not None:
                yield replace(seen, health=replace(seen.health, age_s=max(0.0, now - at)))

    def usage(self) -> tuple[float | None, int | None]:
        """Return per cent of a core since the last call, and bytes of memory."""
        if self._process is None:
            return None, None
        try:
            with self._process.oneshot():
                return self._process.cpu_percent(), self._process.memory_info().rss
        except psutil.Error:
            return None, None
