"""Runs the supervisor in this process, and lets a front tell somebody about it."""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol, TextIO

from ollamon import __version__
from ollamon.cli.view import VERDICTS
from ollamon.supervisor.messages import Event, StackState, StackStatus
from ollamon.supervisor.service_manager import ServiceManager
from ollamon.supervisor.spec import StackSpec
from ollamon.supervisor.supervisor import Supervisor

FAILED = 1
# No exit code: the caller shall start the same anew in its place.
RESTART = -1


class Front(Protocol):
    """Who is told."""

    def show(self, event: Event) -> None:
        """Something happened."""

    def conclude(self, event: Event, status: StackStatus) -> bool:
        """The start has come to its end; return whether the run may go on."""


def start_anew(argv: Sequence[str]) -> NoReturn:
    """Become another process with the same number, terminal and environment."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(argv[0], list(argv))  # noqa: S606


async def supervise(
    stack: StackSpec, front: Front, console: TextIO | None, *, has_timestamps: bool = False
) -> int:
    """Run until stopped; return the exit code, or RESTART.

    Raises:
        OllamonError: Nothing was started; see `Supervisor.run`.
    """
    loop = asyncio.get_running_loop()
    is_concluded = is_failed = False
    manager = ServiceManager.of(os.environ)
    manager.watch(loop)

    def on_event(event: Event) -> None:
        nonlocal is_concluded, is_failed
        front.show(event)
        manager.show(event)
        if event.child or is_concluded:
            return
        is_concluded = event.state in VERDICTS or event.state == StackState.STOPPING
        if event.state not in VERDICTS:
            return
        if front.conclude(event, supervisor.status()):
            manager.ready()
            return
        is_failed = True
        # Not now: the supervisor is in the middle of telling us.
        loop.call_soon(supervisor.request_stop)

    supervisor = Supervisor(
        stack,
        on_event=on_event,
        version=__version__,
        console=console,
        has_timestamps=has_timestamps,
    )
    code = await supervisor.run()
    if supervisor.shall_restart and not code:
        return RESTART
    return code or (FAILED if is_failed else 0)
