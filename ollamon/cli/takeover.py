"""`ollamon up --takeover`: the proxy where Ollama's clients call, our own Ollama behind it."""

import sys
from collections.abc import Callable

from ollamon.config.checks import ollama_listen
from ollamon.config.model import Config
from ollamon.config.values import Address
from ollamon.errors import ConfigError, Problem
from ollamon.services import Note
from ollamon.supervisor.owners import Owner, owner_of


def options(config: Config) -> dict[str, object]:
    """Return the values, by key path, that put the proxy in the place of Ollama.

    Raises:
        ConfigError: Ollama's place is on another machine.
    """
    ours = config.ollama
    place = ollama_listen(ours.url)
    if place is None:
        text = f"ollama.url: {ours.url} is no http address of this machine, as --takeover needs"
        raise ConfigError((Problem(text),))
    # Whether that one is of this machine is checked with the rest.
    moved = {"ollama.url": ours.takeover_url, "ollama.mode": "managed"}
    return {"proxy.listen": str(place), **moved}


def notes(config: Config, ollama_host: str) -> list[Note]:
    """Return what a person should know whose clients have been told of the proxy's usual place."""
    from ollamon.config.ollama_host import upstream_of

    listen = config.proxy.listen
    if not ollama_host.strip() or upstream_of(ollama_host) == listen.url:
        return []
    text = f"OLLAMA_HOST={ollama_host} here, where nobody listens now: clients call {listen.url}"
    return [Note("ollama", text, "unset OLLAMA_HOST")]


def refusal(
    config: Config,
    *,
    owner: Callable[[int], Owner | None] = owner_of,
    platform: str = sys.platform,
) -> str:
    """Return how to make room where the proxy wants to be; "" when no Ollama is there."""
    listen, behind = config.proxy.listen, config.ollama.url
    found = owner(listen.port)
    if found is not None and "ollama" not in found.name.lower():
        return ""
    if found is None and platform != "darwin":
        # Another user's process; what owns Ollama's port on Linux is its unit.
        found = Owner(0, "ollama", "", "ollama.service", 0.0)
    ways = _ways(found, listen, behind, platform)
    return "\n".join(["", "To let the proxy take its place:", *ways])


def _ways(owner: Owner | None, listen: Address, behind: str, platform: str) -> list[str]:
    moved = behind.removeprefix("http://")
    by_hand = [
        "          and then ollamon up with",
        f'          [proxy] listen = "{listen}"',
        f'          [ollama] url = "{behind}"',
    ]
    if platform == "darwin":
        return [
            "  Either  quit the Ollama app from its menu, or: brew services stop ollama",
            f"  or      launchctl setenv OLLAMA_HOST {moved}, start the app anew,",
            *by_hand,
        ]
    if owner is not None and owner.unit:
        unit = owner.unit.removesuffix(".service")
        return [
            f"  Either  sudo systemctl disable --now {unit}, and ollamon up --takeover again",
            "          (its models belong to its user; name their folder where yours are not:",
            '          [ollama] env = { OLLAMA_MODELS = "/usr/share/ollama/.ollama/models" })',
            f"  or      keep the unit and move it: sudo systemctl edit {unit}, with",
            f'          [Service] Environment="OLLAMA_HOST={moved}",',
            f"          sudo systemctl restart {unit},",
            *by_hand,
        ]
    stop = f"kill {owner.pid}" if owner is not None else "end it"
    return [
        f"  Either  {stop}, and ollamon up --takeover again",
        f"  or      start it anew with OLLAMA_HOST={moved},",
        *by_hand,
    ]
