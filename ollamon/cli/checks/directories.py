"""The folders: writable, private, and with room."""

import os
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from ollamon.cli.checks.finding import Finding, Repair, fine, problem, warning
from ollamon.cli.checks.world import World
from ollamon.config import files
from ollamon.config.paths import folders
from ollamon.services import MIN_FREE_BYTES

MAX_NAMED = 3
OURS = ("*.log", "*.log.*", "*.marks", "*.marks.*", "events.jsonl*", "run.json", "prometheus.yml")
NO_FOLDER = problem(
    "directories-no-folder",
    "Something else lies where a folder of ours has to be.",
    "Move it away.",
)
READ_ONLY = problem(
    "directories-read-only",
    "A folder of ours cannot be written.",
    "Make it yours.",
)
FULL = warning(
    "directories-full",
    "The disk is nearly full: `up` refuses to start, Prometheus loses samples, logs lose lines.",
    "Make room.",
)
OPEN = warning(
    "directories-open",
    "Other users of this machine can read what ollamon keeps: logs, events, who runs.",
    "`--fix` takes their rights away.",
)
KINDS = (NO_FOLDER, READ_ONLY, FULL, OPEN)


def check(world: World) -> Iterator[Finding]:
    """Say whether state, logs, data and runtime can be used."""
    places = folders(world.loaded.config)
    named = {"state": places.state, "data": places.data, "runtime": places.runtime}
    if places.logs.parent != places.state:
        named["logs"] = places.logs
    problems = [found for name, path in named.items() if (found := _problem(name, path))]
    yield from problems
    free = shutil.disk_usage(nearest(places.data)).free
    if free < MIN_FREE_BYTES:
        evidence = f"{free // 1024**2} MB free for {files.shown(places.data)}"
        yield FULL.found(evidence, 'df -h "$HOME"')
    yield from _open(dict.fromkeys((places.state, places.logs, places.runtime)))
    if not problems:
        shown = ", ".join(f"{name} {files.shown(path)}" for name, path in named.items())
        yield fine("directories", f"usable: {shown}")


def _problem(name: str, path: Path) -> Finding | None:
    there = nearest(path)
    if not there.is_dir():
        evidence = f"{name}: {there} is no folder"
        return NO_FOLDER.found(evidence, f"mv {_q(there)} {_q(there)}.old")
    if not os.access(there, os.W_OK | os.X_OK):
        evidence = f"{name}: {there} is not writable"
        fix = f'sudo chown "$(id -un)" {_q(there)} && chmod u+wx {_q(there)}'
        return READ_ONLY.found(evidence, fix)
    return None


def _open(places: Iterable[Path]) -> Iterator[Finding]:
    """What others may read or write although it was made for its user alone."""
    found = [path for place in places for path in _own(place) if _rights_of_others(path)]
    if not found:
        return
    shown = ", ".join(files.shown(path) for path in found[:MAX_NAMED])
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""

    def close() -> str:
        for path in found:
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & 0o700)
        return f"closed {shown}{more} to others"

    repair = Repair(f"close {shown}{more} to others", close)
    yield OPEN.found(f"other users may read {shown}{more}", repair=repair)


def _own(place: Path) -> Iterator[Path]:
    """The files that we write there; a folder of the user's choice may hold others."""
    for pattern in OURS:
        for path in sorted(place.glob(pattern)):
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid():
                yield path


def _rights_of_others(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode) & 0o077


def nearest(path: Path) -> Path:
    """Return the path itself, or the nearest one above it that exists."""
    return next(here for here in (path, *path.absolute().parents) if here.exists())


def _q(path: Path) -> str:
    return shlex.quote(str(path))
