"""`ollamon top`: the page's numbers in the terminal."""

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.errors import OllamonError, ProgramMissingError


@click.command("top")
@click.option("--url", metavar="URL", help="The dashboard to ask; else that of your configuration.")
@common_options
@pass_session
def command(session: Session, url: str | None) -> None:
    """Watch speed, load, models and errors in the terminal.

    It asks a running dashboard, so numbers are those of the page. With --json it prints them once.
    """
    from ollamon.cli.top.source import Source

    source = Source(url or session.load().config.dashboard.listen.url)
    if session.is_json:
        session.answer({"url": source.url, "tick": source.json("/api/metrics")})
        return
    if not session.stream.isatty():
        raise OllamonError("top needs a terminal; --json prints the numbers once")
    try:
        from ollamon.cli.top.app import Top
    except ModuleNotFoundError as error:
        raise ProgramMissingError(
            f"top needs the package {error.name}\n       Try: pip install 'ollamon[tui]'"
        ) from None
    Top(source, source.first()).run()
