"""run.json: who belongs to this run, for people, for `status` of a dead run and for the sweep."""

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ollamon.supervisor.messages import RUN_NAME

VERSION = 1
MOST_PIDS = 2**31


@dataclass(frozen=True, slots=True)
class ChildEntry:
    """One child of the run.

    Attributes:
        started: As `identity.start_time`; None while it has no process.
        since: Unix time of the last change of state.
    """

    name: str
    state: str
    since: float
    restarts: int
    pid: int | None
    pgid: int | None
    started: float | None
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One life of a supervisor.

    Attributes:
        started: Of the supervisor, as `identity.start_time`.
    """

    version: str
    run_id: str
    boot_id: str
    pid: int
    started: float
    config_file: str
    config_digest: str
    children: tuple[ChildEntry, ...]


def write(runtime: Path, run: Run) -> None:
    """Replace run.json, so that a reader sees the old one or the new one."""
    write_atomically(runtime / RUN_NAME, json.dumps({"v": VERSION, **asdict(run)}, indent=1) + "\n")


def read(runtime: Path) -> Run | None:
    """Return the run of a folder; None when there is none that can be understood."""
    try:
        return _parse(json.loads((runtime / RUN_NAME).read_text()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def remove(runtime: Path) -> None:
    """The run ended in order. A folder of that name, say, is not ours and stays."""
    with contextlib.suppress(OSError):
        (runtime / RUN_NAME).unlink()


def write_atomically(path: Path, text: str) -> None:
    """Write a file for this user alone, whole or not at all; makes its folder.

    Raises:
        OSError: It cannot be written; the old one is untouched.
    """
    data = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes it 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _parse(document: Mapping[str, Any]) -> Run:
    fields = dict(document)
    if fields.pop("v") != VERSION:
        raise ValueError("another version")
    children = tuple(
        ChildEntry(**{**child, "ports": tuple(child["ports"])}) for child in fields["children"]
    )
    run = Run(**{**fields, "children": children})
    pids = [run.pid, *(child.pid for child in children if child.pid is not None)]
    times = [run.started, *(child.started for child in children if child.started is not None)]
    names = [run.run_id, run.boot_id, *(child.name for child in children)]
    if not (
        all(type(pid) is int and 0 < pid < MOST_PIDS for pid in pids)
        and all(type(time) in (int, float) for time in times)
        and all(type(name) is str for name in names)
    ):
        raise ValueError("a value of another type")
    return run
