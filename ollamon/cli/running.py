"""What runs already under a stack's name, asked over its control socket."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ollamon.errors import AlreadyRunningError, NotRunningError
from ollamon.supervisor import control
from ollamon.supervisor.messages import StackStatus, status_from_json
from ollamon.supervisor.spec import StackSpec

if TYPE_CHECKING:
    from ollamon.config.model import Config

# Somebody who holds the lock has a socket soon.
PATIENCE_S = 10.0
POLL_S = 0.05


def find(runtime: Path) -> StackStatus | None:
    """Return the status of the stack of a runtime folder, None when none does.

    Raises:
        ControlError: Its supervisor does not answer, or in another version.
    """
    try:
        return status_from_json(control.ask(runtime, "status"))
    except NotRunningError:
        return None


def await_other(runtime: Path) -> StackStatus | None:
    """As `find`, for one that was faster than us and may not answer yet."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if (status := find(runtime)) is not None:
            return status
        time.sleep(POLL_S)
    return None


def require_same(status: StackStatus, stack: StackSpec) -> str:
    """Return one sentence when it runs with this very configuration.

    Raises:
        AlreadyRunningError: With another one.
    """
    who = f"{status.name} is already running, pid {status.pid}"
    if status.config_digest == stack.config_digest:
        return f"{who}, with this configuration."
    file = status.config_file or "no file"
    raise AlreadyRunningError(
        f"{who}, with another configuration ({file})\n"
        "       Either  ollamon down      and then start this one\n"
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
