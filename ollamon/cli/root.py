"""The tree of commands, and the one place where errors become words and exit codes."""

import importlib
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import click

from ollamon import __version__
from ollamon.cli.session import Session, root_options
from ollamon.cli.words import count
from ollamon.errors import ConfigError, OllamonError

COMMANDS = (
    *("up", "down", "start", "stop", "restart", "reload", "status", "wait", "logs", "events"),
    *("requests", "doctor", "run", "env", "open", "config", "helper", "service", "export", "top"),
    *("completion", "version"),
)
# What became of a configuration that was not taken.
_OUTCOMES = {"up": "Nothing was started.", "reload": "What runs is as it was."}
INTERRUPTED = 130
DEBUG_VARIABLE = "OLLAMON_DEBUG"
MARGIN = " " * len("error: ")


class Tree(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, as people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"ollamon.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None


@click.command(
    cls=Tree, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80}
)
@root_options
@click.version_option(__version__, message="ollamon %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """Sight for your local LLM server: a metering proxy, history and a live dashboard."""
    context.ensure_object(Session).command = context.invoked_subcommand or ""


def run_process() -> int:
    """Run the command line of this process; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.excepthook = _crashed
    return run(sys.argv[1:])


def run(words: Sequence[str]) -> int:
    """Run one command; return its exit code. Every deliberate error is told here."""
    session = Session()
    # Wrong arguments end the reading before it has come to this option.
    is_json = "--json" in words
    try:
        result = root.main(
            args=list(words), prog_name="ollamon", standalone_mode=False, obj=session
        )
    except click.ClickException as error:
        if is_json:
            _answer("usage", error.format_message(), error.exit_code)
        else:
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OllamonError as error:
        _tell(error, is_json=is_json, outcome=_OUTCOMES.get(session.command, ""))
        return error.exit_code
    return result if isinstance(result, int) else 0


def _tell(error: OllamonError, *, is_json: bool, outcome: str) -> None:
    if is_json:
        problems = [
            {"where": problem.where, "message": problem.message}
            for problem in (error.problems if isinstance(error, ConfigError) else ())
        ]
        extra = {"problems": problems} if problems else {}
        _answer(error.kind, str(error), error.exit_code, extra)
    if isinstance(error, ConfigError):
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        number = count(len(error.problems), "error")
        click.echo(f"{number}. {outcome}".rstrip(), err=True)
    else:
        click.echo(f"error: {error}", err=True)


def _answer(
    kind: str, message: str, code: int, extra: dict[str, list[dict[str, str]]] | None = None
) -> None:
    said: dict[str, object] = {"kind": kind, "message": message, **(extra or {})}
    Session(is_json=True).answer({"error": said}, code=code)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """One line instead of a wall; the wall goes into a file."""
    import traceback

    text = "".join(traceback.format_exception(kind, error, trace))
    if os.environ.get(DEBUG_VARIABLE):
        click.echo(text, err=True)
        return
    what = f"{kind.__name__}: {error}".rstrip(": ")
    place = _write_trace(text)
    message = f"{what}. This is a defect of ollamon {__version__}; its traceback is in {place}"
    if "--json" in sys.argv:
        _answer("defect", message, 1)
    click.echo(f"error: {message}", err=True)


def _write_trace(text: str) -> str:
    import tempfile

    name = f"ollamon-crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (_state_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / name
            with path.open("x") as file:
                path.chmod(0o600)
                file.write(text)
        except OSError:
            continue
        return str(path)
    return f"no file: {DEBUG_VARIABLE}=1 shows it"


def _state_folder() -> Path:
    from ollamon.config.paths import user_folder

    return user_folder("state")
