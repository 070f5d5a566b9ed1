"""The configuration file, variables and notices."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ollamon import services
from ollamon.cli.checks.finding import Finding, Repair, fine, problem, warning
from ollamon.cli.checks.world import World
from ollamon.config import files
from ollamon.errors import ConfigError
from ollamon.supervisor import runfile

WRONG = problem(
    "config-wrong",
    "The configuration cannot be used; nothing else can be checked then.",
    "Mend the line that is named.",
)
ODD = warning(
    "config-odd",
    "A value is allowed, but probably not what was meant.",
    "Change it, or remove it.",
)
OTHER = warning(
    "config-other",
    "The running stack was started with another configuration.",
    "Stop it and start it again.",
)
CHANGED = warning(
    "config-generated",
    "A file that ollamon writes at each start was changed by hand; the change will be lost.",
    "Change `ollamon.toml` instead; `--fix` writes the file anew and keeps the old one beside it.",
)
KINDS = (WRONG, ODD, OTHER, CHANGED)


def check(world: World) -> Iterator[Finding]:
    """Say which file is in force and what is odd about it."""
    loaded = world.loaded
    name = files.shown(loaded.file) if loaded.file else "no file, all defaults"
    is_fine = True
    for found in (*_odd(world), *_other(world, name), *_generated(world)):
        is_fine = False
        yield found
    if is_fine:
        yield fine("config", name)


def broken(error: ConfigError) -> Iterator[Finding]:
    """One finding for each mistake; nothing else can be checked then."""
    for each in error.problems:
        yield WRONG.found(str(each).partition("\n")[0])


def _odd(world: World) -> Iterator[Finding]:
    for notice in world.loaded.notices:
        yield ODD.found(notice)


def _other(world: World, name: str) -> Iterator[Finding]:
    digest = services.digest(world.loaded.config)
    if world.status and world.status.config_digest != digest:
        evidence = f"{name}; the running stack was started with another configuration"
        yield OTHER.found(evidence, "ollamon down && ollamon up -d")


def _generated(world: World) -> Iterator[Finding]:
    """Only while it runs with this very configuration: else they may differ for a reason."""
    if world.plan is None or world.status is None or any(_other(world, "")):
        return
    for service in world.plan.stack.services:
        for path, text in service.files.items():
            try:
                found = path.read_text(errors="replace")
            except OSError:
                continue
            if found != text:
                repair = Repair(f"write {files.shown(path)} anew", _writer(path, found, text))
                yield CHANGED.found(f"{files.shown(path)} was changed by hand", repair=repair)


def _writer(path: Path, found: str, text: str) -> Callable[[], str]:
    def write() -> str:
        beside = path.with_name(f"{path.name}.changed")
        runfile.write_atomically(beside, found)
        runfile.write_atomically(path, text)
        return f"wrote {files.shown(path)} anew; what it held is in {beside.name}"

    return write
