"""The configuration file, variables and notices."""

from collections.abc import Iterator

from ollamon import services
from ollamon.cli.checks.finding import Finding, Severity, World
from ollamon.config import files
from ollamon.errors import ConfigError


def check(world: World) -> Iterator[Finding]:
    """Say which file is in force and what is odd about it."""
    loaded = world.loaded
    name = files.shown(loaded.file) if loaded.file else "no file, all defaults"
    for notice in loaded.notices:
        yield Finding("config", Severity.WARN, notice)
    if world.status and world.status.config_digest != services.digest(loaded.config):
        evidence = f"{name}; the running stack was started with another configuration"
        yield Finding("config", Severity.WARN, evidence, "ollamon down && ollamon up -d")
    elif not loaded.notices:
        yield Finding("config", Severity.OK, name)


def broken(error: ConfigError) -> Iterator[Finding]:
    """One finding for each mistake; nothing else can be checked then."""
    for problem in error.problems:
        yield Finding("config", Severity.PROBLEM, str(problem).partition("\n")[0])
