"""`ollamon version`."""

import platform

import click

from ollamon import __version__
from ollamon.cli.session import Session, common_options, pass_session


@click.command("version")
@common_options
@pass_session
def command(session: Session) -> None:
    """Show the version."""
    python = platform.python_version()
    if session.is_json:
        session.answer({"version": __version__, "python": python})
    else:
        session.say(f"ollamon {__version__} (Python {python})")
