"""What is seen of one child, for `status`: its own words, the last look, and its appetite."""

import psutil

from ollamon.supervisor.messages import External, Health

MOST_EXTERNALS = 8


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
        self._externals: dict[str, tuple[bool, float, str]] = {}

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
        """Remember `NAME ok|bad DETAIL` about something that is not ours."""
        name, _, rest = text.partition(" ")
        word, _, detail = rest.partition(" ")
        is_new = name not in self._externals
        if word in ("ok", "bad") and not (is_new and len(self._externals) >= MOST_EXTERNALS):
            self._externals[name] = (word == "ok", now, detail)

    def externals(self, now: float) -> tuple[External, ...]:
        """Return what is not ours, with the age of each look; nothing without a process."""
        if self._process is None:
            return ()
        return tuple(
            External(name, is_ok, max(0.0, now - at), detail)
            for name, (is_ok, at, detail) in self._externals.items()
        )

    def usage(self) -> tuple[float | None, int | None]:
        """Return per cent of a core since the last call, and bytes of memory."""
        if self._process is None:
            return None, None
        try:
            with self._process.oneshot():
                return self._process.cpu_percent(), self._process.memory_info().rss
        except psutil.Error:
            return None, None
