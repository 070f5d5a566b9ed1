"""What `ollamon doctor` looks at, one check a file, each a function from the world to findings."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ollamon.cli.checks.finding import Finding, World


def in_order() -> "tuple[Callable[[World], Iterator[Finding]], ...]":
    """All of them, in the order in which people read them."""
    from ollamon.cli.checks import (
        clients,
        config,
        directories,
        helper,
        ollama,
        ports,
        prometheus,
        versions,
    )

    return (
        versions.check,
        config.check,
        directories.check,
        ports.check,
        ollama.check,
        prometheus.check,
        helper.check,
        clients.check,
    )
