"""What happened, told to everybody who wants to know: a file, followers, and the caller."""

import contextlib
import json
import time
from collections import deque
from collections.abc import Callable

from ollamon.supervisor.messages import Event, to_json
from ollamon.supervisor.output import RotatingFile

HISTORY = 256

Sink = Callable[[Event], None]


class Journal:
    """The events of one run; `history` holds the last ones."""

    def __init__(self, on_event: Sink, file: RotatingFile) -> None:
        self.history: deque[Event] = deque(maxlen=HISTORY)
        self._sinks = [on_event]
        self._file = file
        self._began = time.monotonic()

    def subscribe(self, sink: Sink) -> None:
        """Tell `sink` what happens from now on."""
        self._sinks.append(sink)

    def emit(self, child: str, state: str, detail: str = "", pid: int | None = None) -> None:
        """Something happened."""
        elapsed_s = time.monotonic() - self._began
        event = Event(time.time(), elapsed_s, child, str(state), detail, pid)
        self.history.append(event)
        self._file.write(json.dumps(to_json(event), separators=(",", ":")).encode() + b"\n")
        for sink in self._sinks:
            # A closed terminal is no reason to let children go.
            with contextlib.suppress(OSError):
                sink(event)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
