"""What the options of `up` ask for, and the words that ask for the same again, without I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Wishes:
    """None and () are no wish.

    Attributes:
        only: Start these and what they require alone.
        besides: Start all but these.
        ends_on_failure: Stop everything when one child has failed.
    """

    timeout_s: float | None = None
    has_helper: bool | None = None
    ollama_mode: str | None = None
    takeover: bool = False
    demo: bool = False
    orphans: str | None = None
    only: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    ends_on_failure: bool = False

    def options(self) -> dict[str, object]:
        """Return values by key path; those of a takeover need the rest first."""
        options: dict[str, object] = {}
        if self.has_helper is not None:
            options["helper.mode"] = "on" if self.has_helper else "off"
        if self.ollama_mode is not None:
            options["ollama.mode"] = self.ollama_mode
        if self.orphans is not None:
            options["supervisor.orphans"] = self.orphans
        return options | ({"demo.enabled": True} if self.demo else {})

    def words(self) -> list[str]:
        """Return the arguments that make the same wishes again."""
        words = [] if self.timeout_s is None else ["--timeout", f"{self.timeout_s * 1000:.0f}ms"]
        if self.has_helper is not None:
            words.append("--with-helper" if self.has_helper else "--no-helper")
        words += ["--ollama", self.ollama_mode] if self.ollama_mode is not None else []
        words += ["--orphans", self.orphans] if self.orphans is not None else []
        words += ["--only", ",".join(self.only)] if self.only else []
        words += ["--except", ",".join(self.besides)] if self.besides else []
        words += ["--exit-on-failure"] if self.ends_on_failure else []
        words += ["--takeover"] if self.takeover else []
        return [*words, "--demo"] if self.demo else words


def _names(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def subset_options(function: Decorated) -> Decorated:
    """Let a command take `--only` and `--except`."""
    function = click.option(
        "--except",
        "besides",
        metavar="A,B",
        multiple=True,
        callback=_names,
        help="Start all but these children.",
    )(function)
    return click.option(
        "--only",
        metavar="A,B",
        multiple=True,
        callback=_names,
        help="Start these children alone, with what they require.",
    )(function)
