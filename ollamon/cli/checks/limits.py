"""What the system allows: open files."""

import resource
import sys
from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.world import World

# Each client of the proxy takes two: its own socket, and one to Ollama.
MIN_FILES = 1024
FILES = warning(
    "limits-files",
    "Few files may be open at once, so the proxy serves few clients and answers others 503.",
    "Raise the hard limit.",
)
KINDS = (FILES,)


def check(world: World) -> Iterator[Finding]:
    """Look at the hard limit, since the proxy raises the soft one itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < MIN_FILES:
        evidence = f"{hard} open files at most: room for {max(0, (hard - 256) // 2)} clients"
        is_mac = sys.platform == "darwin"
        fix = (
            "launchctl limit maxfiles 65536" if is_mac else "prlimit --pid $$ --nofile=65536:65536"
        )
        yield FILES.found(evidence, f"sudo {fix}")
    else:
        number = "any number of" if hard == resource.RLIM_INFINITY else str(hard)
        yield fine("limits", f"{number} open files")
