"""What all commands share: which stack, how to answer, and the options that come with that."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from ollamon.cli.words import WIDTH, Style
from ollamon.supervisor.terminal import wants_colour

if TYPE_CHECKING:
    from ollamon.config.load import Loaded
    from ollamon.config.place import Place

VERSION = 1
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(slots=True)
class Session:
    """One call of the command line.

    Attributes:
        file: The `--config` option.
        name: The `--name` option.
        is_json: stdout gets one JSON object and nothing else.
        command: The first word of it.
    """

    file: str | None = None
    name: str | None = None
    is_json: bool = False
    command: str = ""

    def place(self) -> "Place":
        """Find the stack without validating its whole file.

        Raises:
            ConfigError: The file cannot be read, or its name or folders cannot be used.
        """
        from ollamon.config.place import place

        return place(self.file, self.name)

    def words(self) -> list[str]:
        """Return the arguments that name the same file and stack again."""
        words = ["--config", self.file] if self.file else []
        return words + (["--name", self.name] if self.name else [])

    def load(self, options: Mapping[str, object] | None = None) -> "Loaded":
        """Read the whole configuration.

        Raises:
            ConfigError: With every problem.
        """
        from ollamon.config.load import load

        named = {"name": self.name} if self.name else {}
        return load(self.file, {**named, **(options or {})})

    @property
    def stream(self) -> TextIO:
        """Where text for people goes."""
        return sys.stderr if self.is_json else sys.stdout

    def style(self) -> Style:
        """Return the look that fits the stream: lines are cut for a terminal only."""
        return style_of(self.stream)

    def say(self, lines: str | Iterable[str]) -> None:
        """Write lines for people."""
        for line in [lines] if isinstance(lines, str) else lines:
            # Whether it has colours is decided already.
            click.echo(line, file=self.stream, color=True)

    def answer(self, document: Mapping[str, object], *, code: int = 0) -> None:
        """Write the one JSON object, when it is wanted; `shapes` says what is in it."""
        if self.is_json:
            click.echo(json.dumps({"v": VERSION, "ok": code == 0, "code": code, **document}))


def own_command() -> list[str]:
    """Return what runs this program anew in any folder."""
    # -P: a module of the working directory must not stand in for one of ours.
    return [sys.executable, "-P", "-m", "ollamon.cli"]


def style_of(stream: TextIO) -> Style:
    """Return the look that fits a stream."""
    width = WIDTH
    if stream.isatty():
        try:
            width = os.get_terminal_size(stream.fileno()).columns or WIDTH
        except OSError:
            width = WIDTH
    return Style(wants_colour(stream), width)


def forbid_colour() -> None:
    """As `--no-color` says; the environment tells the supervisor and the children too."""
    os.environ.pop("FORCE_COLOR", None)
    os.environ["NO_COLOR"] = "1"


def _set_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).is_json = True


def _set_plain(_: click.Context, __: click.Parameter, value: bool) -> None:
    if value:
        forbid_colour()


def _set_file(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Session).file = value


def _set_name(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Session).name = value


def _common(*name: str) -> Callable[[Decorated], Decorated]:
    options = [
        click.option(
            "--no-color",
            is_flag=True,
            expose_value=False,
            callback=_set_plain,
            help="Plain text; NO_COLOR does the same.",
        ),
        click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            callback=_set_json,
            help="Print one JSON object on stdout, all else on stderr.",
        ),
        click.option(
            *name,
            metavar="NAME",
            expose_value=False,
            callback=_set_name,
            help="Name of the stack; else that of the file.",
        ),
        click.option(
            "-c",
            "--config",
            type=click.Path(),
            metavar="FILE",
            expose_value=False,
            callback=_set_file,
            help="Configuration file to read.",
        ),
    ]

    def apply(function: Decorated) -> Decorated:
        for option in options:
            function = option(function)
        return function

    return apply


# After a command `-n` may be something else, as the lines of `logs -n`.
root_options = _common("-n", "--name")
common_options = _common("--name")
"""What may stand behind every command, as it may before it."""


def seconds_of(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Read a duration such as `30s`; None stays None. A click callback."""
    if value is None:
        return None
    from ollamon.config.values import parse_period

    try:
        return parse_period(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def duration_option(*names: str, help: str) -> Callable[[Decorated], Decorated]:
    """Let a command take a duration; it gets seconds, or None."""
    return click.option(*names, metavar="DURATION", callback=seconds_of, help=help)


pass_session = click.make_pass_decorator(Session, ensure=True)
