"""Tells systemd how the run fares, as sd_notify(3) says: a datagram to a socket that it names."""

import asyncio
import contextlib
import os
import socket
from collections.abc import MutableMapping

from ollamon.supervisor.messages import Event, StackState

SOCKET_VARIABLE = "NOTIFY_SOCKET"
PERIOD_VARIABLE = "WATCHDOG_USEC"
PID_VARIABLE = "WATCHDOG_PID"


class ServiceManager:
    """Says READY, STATUS, STOPPING and WATCHDOG; without an address it says nothing."""

    def __init__(self, address: str, period_s: float) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._period_s = period_s

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> "ServiceManager":
        """Read who started us, and take it out, so that no child speaks in our name."""
        address = environment.pop(SOCKET_VARIABLE, "")
        period, pid = environment.pop(PERIOD_VARIABLE, ""), environment.pop(PID_VARIABLE, "")
        is_ours = not pid or pid == str(os.getpid())
        usable = period.isascii() and period.isdecimal() and is_ours
        return cls(address, int(period) / 1e6 if usable else 0.0)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say that the loop turns, twice in each period that systemd waits."""
        if self._address and self._period_s > 0:
            self._tell("WATCHDOG=1")
            loop.call_later(self._period_s / 2, self.watch, loop)

    def ready(self) -> None:
        """The start is over, and what runs goes on."""
        self._tell("READY=1")

    def show(self, event: Event) -> None:
        """Say where the stack is."""
        if event.child or event.state not in set(StackState):
            return
        text = " ".join(f"{event.state}: {event.detail}".splitlines()).removesuffix(": ")
        stopping = "STOPPING=1\n" if event.state == StackState.STOPPING else ""
        self._tell(f"{stopping}STATUS={text}")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        # Nobody who listens is no reason to end.
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker,
        ):
            speaker.setblocking(False)
            speaker.sendto(text.encode(errors="replace"), self._address)
