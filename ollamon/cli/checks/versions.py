"""Python and ollamon."""

import platform
import sys
from collections.abc import Iterator

from ollamon import __version__
from ollamon.cli.checks.finding import Finding, Severity, World


def check(world: World) -> Iterator[Finding]:
    """Say which ones run, and whether the running stack is of another version."""
    evidence = f"{platform.python_version()}, {sys.executable}"
    yield Finding("python", Severity.OK, evidence)
    running = world.status.version if world.status else __version__
    if running == __version__:
        yield Finding("ollamon", Severity.OK, __version__)
    else:
        evidence = f"this is {__version__}, the running stack is {running}"
        yield Finding("ollamon", Severity.WARN, evidence, "ollamon down && ollamon up -d")
