"""`ollamon open`: the page, in a browser."""

from typing import TYPE_CHECKING

import click

from ollamon.cli.addresses import child_of, url_of
from ollamon.cli.running import status_of
from ollamon.cli.session import Session, common_options, pass_session
from ollamon.errors import OllamonError
from ollamon.supervisor.messages import StackStatus

if TYPE_CHECKING:
    from ollamon.cli import shapes

WHAT = ("dashboard", "prometheus", "metrics")


@click.command("open", short_help="Open the dashboard in your browser.")
@click.argument("what", type=click.Choice(WHAT), default=WHAT[0])
@common_options
@pass_session
def command(session: Session, what: str) -> None:
    """Open the dashboard in your browser, or Prometheus, or /metrics, of the stack that runs."""
    url = _url(session, status_of(session.place()), what)
    # Only here: it looks for browsers, and starts processes to do so.
    import webbrowser

    if not webbrowser.open(url):
        raise OllamonError(f"cannot find a browser here. Open {url}")
    session.say(f"Opened {url}")
    document: shapes.Open = {"url": url}
    session.answer(document)


def _url(session: Session, status: StackStatus, what: str) -> str:
    child = child_of(status, "proxy" if what == "metrics" else what)
    if child is not None and what == "metrics":
        host = url_of(child).rpartition(":")[0]
        return f"{host}:{child.ports[1]}/metrics"
    if child is not None:
        return url_of(child)
    config = session.load().config
    if what == "prometheus" and config.prometheus.url:
        return config.prometheus.url
    raise OllamonError(f"no {what} runs in this stack")
