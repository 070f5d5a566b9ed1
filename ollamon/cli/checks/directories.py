"""The folders: writable, and with room."""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from ollamon.cli.checks.finding import Finding, Severity, World
from ollamon.config import files
from ollamon.config.paths import folders

MIN_FREE = 500 * 1024**2


def check(world: World) -> Iterator[Finding]:
    """Say whether state, logs, data and runtime can be used."""
    places = folders(world.loaded.config)
    named = {"state": places.state, "data": places.data, "runtime": places.runtime}
    if places.logs.parent != places.state:
        named["logs"] = places.logs
    problems = [found for name, path in named.items() if (found := _problem(name, path))]
    yield from problems
    free = shutil.disk_usage(nearest(places.data)).free
    if free < MIN_FREE:
        evidence = f"{free // 1024**2} MB free for {places.data}: Prometheus will lose samples"
        yield Finding("directories", Severity.WARN, evidence, 'df -h "$HOME"')
    if not problems:
        shown = ", ".join(f"{name} {files.shown(path)}" for name, path in named.items())
        yield Finding("directories", Severity.OK, f"usable: {shown}")


def _problem(name: str, path: Path) -> Finding | None:
    there = nearest(path)
    if not there.is_dir():
        evidence = f"{name}: {there} is no folder"
        return Finding("directories", Severity.PROBLEM, evidence, f"mv {_q(there)} {_q(there)}.old")
    if not os.access(there, os.W_OK | os.X_OK):
        evidence = f"{name}: {there} is not writable"
        fix = f'sudo chown "$(id -un)" {_q(there)} && chmod u+wx {_q(there)}'
        return Finding("directories", Severity.PROBLEM, evidence, fix)
    return None


def nearest(path: Path) -> Path:
    """Return the path itself, or the nearest one above it that exists."""
    return next(here for here in (path, *path.absolute().parents) if here.exists())


def _q(path: Path) -> str:
    return shlex.quote(str(path))
