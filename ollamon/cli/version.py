"""`ollamon version`."""

import platform
from typing import TYPE_CHECKING

import click

from ollamon import __version__
from ollamon.cli.running import status_of
from ollamon.cli.session import Session, common_options, pass_session
from ollamon.errors import OllamonError

if TYPE_CHECKING:
    from ollamon.cli import shapes


@click.command("version")
@common_options
@pass_session
def command(session: Session) -> None:
    """Show the version, and that of the supervisor that runs."""
    python = platform.python_version()
    running = _running(session)
    if not session.is_json:
        session.say(f"ollamon {__version__} (Python {python})")
    if running and running != __version__:
        session.say(f"The stack that runs was started by ollamon {running}.")
    document: shapes.Version = {"version": __version__, "python": python, "running": running}
    session.answer(document)


def _running(session: Session) -> str | None:
    """Return the version of the supervisor; None when there is none, or it does not say."""
    try:
        return status_of(session.place()).version
    except OllamonError:
        return None
