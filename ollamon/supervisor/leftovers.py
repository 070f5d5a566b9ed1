"""What a supervisor that was killed has left behind: found, and ended only when proven ours."""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ollamon.errors import LeftoverError
from ollamon.supervisor import identity, privileged, runfile
from ollamon.supervisor.runfile import ChildEntry, Run

POLL_S = 0.02
KILL_S = 5.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process of a run whose supervisor is gone.

    Attributes:
        name: The service, or the program's name for a descendant.
        started: As `identity.start_time`: with the pid it names one process and no other.
        is_sudo: It runs something as root, which its SIGKILL would leave behind.
    """

    name: str
    pid: int
    started: float
    run_id: str
    is_sudo: bool = False


@dataclass(frozen=True, slots=True)
class Remains:
    """What is known of a dead run.

    Attributes:
        leftovers: Its processes.
        strangers: Its children whose pids are another process now, or may be.
    """

    leftovers: list[Leftover] = field(default_factory=list)
    strangers: list[ChildEntry] = field(default_factory=list)


def remains(runtime: Path) -> Remains:
    """Return what one look at `run.json` and at the processes tells of a dead run.

    A child counts when its pid, its start time and the run id in its environment all agree; sudo,
    whose environment only root may read, when it is ours instead. A process that the file does not
    name counts when it carries the run id.
    """
    run = _dead_run(runtime)
    return Remains() if run is None else Remains(_leftovers(run), _strangers(run))


def leftovers(runtime: Path) -> list[Leftover]:
    """Return the processes of the dead run that `run.json` tells of."""
    return remains(runtime).leftovers


def _leftovers(run: Run) -> list[Leftover]:
    named = {child.pid for child in run.children}
    children = [
        Leftover(child.name, child.pid, child.started, run.run_id, identity.is_our_sudo(child.pid))
        for child in run.children
        if child.pid is not None and child.started is not None and _is_proven(child, run.run_id)
    ]
    return children + _descendants(run.run_id, {run.pid, *named, *_ourselves()})


def _strangers(run: Run) -> list[ChildEntry]:
    return [
        child
        for child in run.children
        if child.pid is not None
        and identity.start_time(child.pid) is not None
        and not _is_proven(child, run.run_id)
    ]


def describe(found: Iterable[Leftover]) -> str:
    """Name them: `proxy pid 7, helper pid 8`."""
    return ", ".join(f"{leftover.name} pid {leftover.pid}" for leftover in found)


def sweep(found: Iterable[Leftover], *, grace_s: float = 5.0) -> None:
    """End these processes: SIGTERM, and SIGKILL after `grace_s`, but never to sudo.

    Blocks until they are gone.

    Raises:
        LeftoverError: Some are still there.
    """
    remaining = _signal_and_wait(list(found), signal.SIGTERM, grace_s)
    roots = [leftover for leftover in remaining if leftover.is_sudo]
    remaining = _signal_and_wait(
        [leftover for leftover in remaining if not leftover.is_sudo], signal.SIGKILL, KILL_S
    )
    if remaining or roots:
        names = [describe([each]) for each in remaining]
        names += [f"{each.name}, {privileged.cannot_end(each.pid)}" for each in roots]
        raise LeftoverError(f"cannot remove processes of an earlier run: {', '.join(names)}")


def _dead_run(runtime: Path) -> Run | None:
    run = runfile.read(runtime)
    if run is None or run.boot_id != identity.boot_id() or not run.run_id:
        return None
    return None if identity.start_time(run.pid) == run.started else run


def _is_proven(child: ChildEntry, run_id: str) -> bool:
    if child.pid is None or identity.start_time(child.pid) != child.started:
        return False
    return identity.run_of(child.pid) == run_id or identity.is_our_sudo(child.pid)


def _descendants(run_id: str, excluded: set[int | None]) -> list[Leftover]:
    found = []
    for process in psutil.process_iter(["name"]):
        if process.pid in excluded or identity.run_of(process.pid) != run_id:
            continue
        started = identity.start_time(process.pid)
        if started is not None:
            found.append(Leftover(process.info["name"] or "?", process.pid, started, run_id))
    return found


def _ourselves() -> set[int]:
    """This process and its ancestors, which may carry the run id when started from a child."""
    try:
        return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    except psutil.Error:
        return {os.getpid()}


def _signal_and_wait(remaining: list[Leftover], number: int, limit_s: float) -> list[Leftover]:
    for leftover in remaining:
        identity.send_signal(leftover.pid, leftover.started, number)
    deadline = time.monotonic() + limit_s
    while True:
        remaining = [
            leftover
            for leftover in remaining
            if identity.start_time(leftover.pid) == leftover.started
        ]
        if not remaining or time.monotonic() >= deadline:
            return remaining
        time.sleep(POLL_S)
