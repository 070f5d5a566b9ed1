"""All timeouts of the relay, and the one coarse clock that watches them.

A timer of its own for each connection would be set anew with every read; a deadline is a number.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long we wait, in seconds. Upstream may be silent as long as it likes.

    Attributes:
        head: For a whole request head, from its first byte or the connection's begin.
        keep_alive: For the next request on a connection.
        body: Between two reads of a request's body, while we do not hold it up ourselves.
        connect: For a connection to upstream.
        stall: For a client to read some of what waits for it.
        linger: For a client to see an early answer before we close.
        pooled: For the next use of an idle upstream connection.
        tick: How often deadlines are looked at.
    """

    head: float = 10.0
    keep_alive: float = 75.0
    body: float = 60.0
    connect: float = 5.0
    stall: float = 300.0
    linger: float = 2.0
    pooled: float = 30.0
    tick: float = 0.5


class Ticking(Protocol):
    """Something with deadlines."""

    def tick(self, now: float) -> None:
        """Look whether one has passed."""


class Ticker:
    """Calls `tick` of everything that is watched, in a fixed rhythm."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self._loop = loop
        self._interval = interval
        self._watched: set[Ticking] = set()
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin."""
        self._handle = self._loop.call_later(self._interval, self._tick)

    def stop(self) -> None:
        """End."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def watch(self, item: Ticking) -> None:
        """Call its `tick` from now on."""
        self._watched.add(item)

    def forget(self, item: Ticking) -> None:
        """Call its `tick` no more."""
        self._watched.discard(item)

    def _tick(self) -> None:
        now = time.monotonic()
        self._handle = self._loop.call_later(self._interval, self._tick)
        for item in tuple(self._watched):
            item.tick(now)
