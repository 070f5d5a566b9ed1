"""What a supervisor that died, or that does not answer, has left behind."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from ollamon.cli.checks.finding import Finding, Repair, fine, problem, warning
from ollamon.cli.checks.world import World
from ollamon.config import files
from ollamon.config.paths import folders
from ollamon.errors import AlreadyRunningError, RuntimeFolderError
from ollamon.supervisor import runfile, state
from ollamon.supervisor.leftovers import Leftover
from ollamon.supervisor.messages import SOCKET_NAME

SILENT = problem(
    "leftovers-silent",
    "A supervisor has the lock and gives no answer: it is stopped, hangs, or has another version.",
    "Let it go on, or end it.",
)
PROCESSES = warning(
    "leftovers-processes",
    "Processes of a run that died are still there and hold its ports.",
    "`ollamon down`, the next `ollamon up`, or `--fix` ends those whose identity is proven.",
)
SOCKET = warning(
    "leftovers-socket",
    "A socket of a run that died lies in the runtime folder.",
    "`--fix` removes it; the next `ollamon up` does too.",
)
KINDS = (SILENT, PROCESSES, SOCKET)


def check(world: World) -> Iterator[Finding]:
    """Look at the runtime folder while nobody holds it."""
    runtime = folders(world.loaded.config).runtime
    if world.silence:
        yield SILENT.found(world.silence, _wake(runtime))
    elif world.status is not None:
        yield fine("leftovers", "none: this stack runs")
    else:
        yield from _of_dead_run(runtime)


def _wake(runtime: Path) -> str:
    """One that is stopped goes on; SIGTERM lets any other stop its stack in order."""
    run = runfile.read(runtime)
    if run is None:
        return "ollamon down"
    try:
        is_stopped = psutil.Process(run.pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        is_stopped = False
    return f"kill -CONT {run.pid}" if is_stopped else f"kill {run.pid}"


def _of_dead_run(runtime: Path) -> Iterator[Finding]:
    found = state.leftovers(runtime)
    if found:
        names = ", ".join(f"{each.name} pid {each.pid}" for each in found)
        repair = Repair(f"end {names}", lambda: _sweep(found, names))
        yield PROCESSES.found(f"run {found[0].run_id} died and left {names}", repair=repair)
    path = runtime / SOCKET_NAME
    if path.is_socket() and path.lstat().st_uid == os.geteuid():
        shown = files.shown(path)
        repair = Repair(f"remove {shown}", lambda: _remove(runtime))
        yield SOCKET.found(f"{shown} has nobody behind it", repair=repair)
    elif not found:
        yield fine("leftovers", "none")


def _sweep(found: Sequence[Leftover], names: str) -> str:
    state.sweep(found)
    return f"ended {names}"


def _remove(runtime: Path) -> str:
    """Only with the lock in hand: somebody may have started meanwhile."""
    path = runtime / SOCKET_NAME
    try:
        lock = state.acquire(runtime)
    except (AlreadyRunningError, RuntimeFolderError) as error:
        return f"left {files.shown(path)} alone: {error}"
    try:
        path.unlink(missing_ok=True)
    finally:
        lock.release()
    return f"removed {files.shown(path)}"
