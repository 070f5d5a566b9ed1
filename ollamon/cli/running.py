"""What runs already under a stack's name, asked over its control socket."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ollamon import __version__
from ollamon.config.place import Place
from ollamon.errors import AlreadyRunningError, NotRunningError
from ollamon.supervisor import control
from ollamon.supervisor.messages import StackStatus, status_from_json

if TYPE_CHECKING:
    from ollamon.config.model import Config
    from ollamon.supervisor.spec import StackSpec

# Somebody who holds the lock has a socket soon.
PATIENCE_S = 10.0
POLL_S = 0.05


@contextmanager
def named(place: Place) -> Iterator[None]:
    """Say of a stack that does not run how it is called, and not where it would be."""
    try:
        yield
    except NotRunningError:
        raise NotRunningError(f"{place.name} is not running.") from None


def status_of(place: Place) -> StackStatus:
    """Return the status of a stack that runs.

    Raises:
        NotRunningError: It does not.
        ControlError: Its supervisor does not answer, or in another version.
    """
    with named(place):
        return status_from_json(control.ask(place.folders.runtime, "status"))


def chosen(status: StackStatus, names: Sequence[str]) -> list[str]:
    """Return these children, or all of them when none is named.

    Raises:
        click.BadParameter: There is none of such a name.
    """
    known = [child.name for child in status.children]
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"no child {unknown[0]!r}; there is {', '.join(known)}")
    return list(dict.fromkeys(names)) or known


def complete_child(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the children of the stack that runs whose names begin so. For a shell's completion."""
    from ollamon.cli.session import Session
    from ollamon.errors import OllamonError

    session = context.find_object(Session) or Session()
    try:
        status = status_of(session.place())
    except OllamonError:
        return []
    return [child.name for child in status.children if child.name.startswith(incomplete)]


def find(runtime: Path) -> StackStatus | None:
    """Return the status of the stack of a runtime folder, None when none does.

    Raises:
        ControlError: Its supervisor does not answer, or in another version.
    """
    try:
        return status_from_json(control.ask(runtime, "status"))
    except NotRunningError:
        return None


def await_other(runtime: Path, patience_s: float = PATIENCE_S) -> StackStatus | None:
    """As `find`, for one that was faster than us and may not answer yet."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if (status := find(runtime)) is not None:
            return status
        time.sleep(POLL_S)
    return None


def require_same(status: StackStatus, stack: "StackSpec") -> str:
    """Return one sentence when it runs with this very configuration.

    Raises:
        AlreadyRunningError: With another one.
    """
    who = f"{status.name} is already running, pid {status.pid}"
    if status.version != __version__:
        raise AlreadyRunningError(
            f"{who}, as ollamon {status.version}; this is {__version__}\n"
            "       Stop it with  ollamon down  and start this one."
        )
    if status.config_digest == stack.config_digest:
        return f"{who}, with this configuration."
    file = status.config_file or "no file"
    raise AlreadyRunningError(
        f"{who}, with another configuration ({file})\n"
        "       Either  ollamon reload    when its file was changed\n"
        "       or      ollamon down      and then start this one\n"
        "       or      ollamon --name NAME up      with ports of its own"
    )


def options_of(status: StackStatus, config: "Config") -> dict[str, object]:
    """Return the options with which a running stack was started, as far as its children tell.

    Args:
        status: What runs.
        config: As it would be loaded without them.
    """
    # Only here, since most commands read no whole configuration.
    from ollamon.cli import takeover
    from ollamon.config.checks import ollama_listen
    from ollamon.config.model import OllamaMode

    children = {child.name: child for child in status.children}
    options: dict[str, object] = {"demo.enabled": True} if "demo" in children else {}
    options |= {"helper.mode": "on"} if "helper" in children else {}
    if "ollama" not in children:
        return options
    place, proxy = ollama_listen(config.ollama.url), children.get("proxy")
    if place and proxy and place.port in proxy.ports:
        return options | takeover.options(config)
    is_expected = config.ollama.mode in (OllamaMode.AUTO, OllamaMode.MANAGED)
    return options if is_expected else options | {"ollama.mode": "managed"}
