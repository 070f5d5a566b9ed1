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
        models,
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
        models.check,
        prometheus.check,
        helper.check,
        clients.check,
    )


def name_of(check: "Callable[[World], Iterator[Finding]]") -> str:
    """Return what `--only` calls a check."""
    return check.__module__.rpartition(".")[2]
