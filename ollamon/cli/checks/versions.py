"""Python and ollamon."""

import platform
import sys
from collections.abc import Iterator

from ollamon import __version__
from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.world import World

OTHER = warning(
    "versions-differ",
    "The running stack is of another version than this command.",
    "Stop it and start it again.",
)
KINDS = (OTHER,)


def check(world: World) -> Iterator[Finding]:
    """Say which ones run, and whether the running stack is of another version."""
    yield fine("python", f"{platform.python_version()}, {sys.executable}")
    running = world.status.version if world.status else __version__
    if running == __version__:
        yield fine("ollamon", __version__)
    else:
        evidence = f"this is {__version__}, the running stack is {running}"
        yield OTHER.found(evidence, "ollamon down && ollamon up -d")
