"""What `ollamon doctor` looks at, one check a file, each a function from the world to findings."""

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ollamon.cli.checks.finding import Finding, Kind
    from ollamon.cli.checks.world import World

NAMES = (
    *("versions", "dependencies", "config", "directories", "leftovers", "ports", "limits", "clock"),
    *("ollama", "settings", "models", "proxy", "prometheus", "dashboard", "helper", "load"),
    "clients",
)
"""All of them, in the order in which people read them."""


def in_order() -> "dict[str, Callable[[World], Iterator[Finding]]]":
    """Return each check by its name."""
    return {name: _module(name).check for name in NAMES}


def kinds() -> "tuple[Kind, ...]":
    """Return everything that can be found."""
    return tuple(kind for name in NAMES for kind in _module(name).KINDS)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
