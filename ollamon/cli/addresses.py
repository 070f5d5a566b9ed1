"""Where the parts of a stack are reached: as it runs, else as it is configured."""

from ollamon.cli.running import status_of
from ollamon.cli.session import Session
from ollamon.errors import OllamonError
from ollamon.supervisor.messages import ChildStatus, StackStatus


def proxy_url(session: Session) -> str:
    """Return where clients connect.

    Raises:
        ConfigError: Nothing runs, and the configuration cannot be used.
    """
    try:
        child = child_of(status_of(session.place()), "proxy")
    except OllamonError:
        child = None
    return session.load().config.proxy.listen.url if child is None else url_of(child)


def child_of(status: StackStatus, name: str) -> ChildStatus | None:
    """Return a child that runs, None when there is none of that name."""
    return next((child for child in status.children if child.name == name), None)


def url_of(child: ChildStatus) -> str:
    """Return where a child is reached; what else its address says is for people."""
    return child.address.partition(" ")[0]
