"""Our own libraries: none older than the first without a published hole that matters here."""

import shlex
import sys
from collections.abc import Iterator
from importlib import metadata

from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.minima import MINIMA
from ollamon.cli.checks.numbers import numbers_of
from ollamon.cli.checks.world import World

OLD = warning(
    "dependencies-old",
    "A library has a published security hole that a newer version does not have.",
    "Install the newer version.",
)
KINDS = (OLD,)


def check(world: World) -> Iterator[Finding]:
    """Compare what is installed with the minimum versions that have a reason."""
    found = list(_old())
    yield from found
    if not found:
        yield fine("dependencies", f"{len(MINIMA)} with a security minimum, none below it")


def _old() -> Iterator[Finding]:
    for name, (minimum, reason) in MINIMA.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        numbers = numbers_of(installed)
        if numbers and numbers < numbers_of(minimum):
            wanted = shlex.quote(f"{name}>={minimum}")
            fix = f"{shlex.quote(sys.executable)} -m pip install -U {wanted}"
            yield OLD.found(f"{name} {installed} is older than {minimum}: {reason}", fix)
