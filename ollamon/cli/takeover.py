"""`ollamon up --takeover`: the proxy where Ollama's clients call, our own Ollama behind it."""

import re
import sys
from collections.abc import Callable

from ollamon.config.checks import ollama_listen
from ollamon.config.model import Config
from ollamon.errors import ConfigError, Problem
from ollamon.services import Note
from ollamon.supervisor import preflight
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
    """Return what a person should know whose OLLAMA_HOST says something else."""
    from ollamon.config.ollama_host import upstream_of

    listen = config.proxy.listen
    if upstream_of(ollama_host) == listen.url:
        return [Note("ollama", _NO_LAN)] if _is_open(ollama_host) else []
    if not ollama_host.strip():
        return []
    text = f"OLLAMA_HOST={ollama_host} here, where nobody listens now: clients call {listen.url}"
    return [Note("ollama", text, "unset OLLAMA_HOST")]


def _is_open(ollama_host: str) -> bool:
    """Whether a server with this OLLAMA_HOST would listen beyond this machine."""
    return any(address in ollama_host for address in ("0.0.0.0", "[::]"))  # noqa: S104


_NO_LAN = "OLLAMA_HOST lets other machines in; the proxy does not: it listens on this machine alone"


def refused(
    text: str,
    config: Config,
    *,
    owner: Callable[[int], Owner | None] = owner_of,
    platform: str = sys.platform,
) -> str:
    """Return the words about taken ports with the ways to make room where the proxy wants to be.

    Args:
        text: As `preflight.check` has it.
        config: With the values of `options`.
        owner: Port -> who has it.
        platform: As `sys.platform`.
    """
    listen = config.proxy.listen
    head = rf"(^{re.escape(str(listen))} is in use, wanted by proxy\n +.*\n?)"
    block = re.search(rf"{head}(?: +(?:Either|or) .*\n?)*", text, re.MULTILINE)
    ways = _ways_of(owner(listen.port), config, platform)
    if block is None or not ways:
        return text
    instead = "\n".join([block[1].rstrip("\n"), *(f"{preflight.INDENT}{way}" for way in ways)])
    rest = text[block.end() :]
    return text[: block.start()] + instead + (f"\n{rest}" if rest else "")


def _ways_of(found: Owner | None, config: Config, platform: str) -> list[str]:
    """None where it is no Ollama that is there: then what is said of every port is enough."""
    if found is not None and "ollama" not in found.name.lower():
        return []
    if found is None and platform != "darwin":
        # Another user's process; what owns Ollama's port on Linux is its unit.
        found = Owner(0, "ollama", "", "ollama.service", 0.0)
    moved = config.ollama.url.removeprefix("http://")
    by_hand = [
        "        and then ollamon up with",
        f'        [proxy] listen = "{config.proxy.listen}"',
        f'        [ollama] url = "{config.ollama.url}"',
    ]
    return _ways(found, moved, by_hand, platform)


def _ways(owner: Owner | None, moved: str, by_hand: list[str], platform: str) -> list[str]:
    if platform == "darwin":
        return [
            "Either  quit the Ollama app from its menu, or: brew services stop ollama",
            f"or      launchctl setenv OLLAMA_HOST {moved}, start the app anew,",
            *by_hand,
        ]
    if owner is not None and owner.unit:
        unit = owner.unit.removesuffix(".service")
        return [
            f"Either  sudo systemctl disable --now {unit}, and this again",
            "        (its models belong to its user; to use them from here, set",
            '        [ollama.env] OLLAMA_MODELS = "/usr/share/ollama/.ollama/models")',
            f"or      keep the unit and move it: sudo systemctl edit {unit}, with",
            f'        [Service] Environment="OLLAMA_HOST={moved}",',
            f"        sudo systemctl restart {unit},",
            *by_hand,
        ]
    stop = f"kill {owner.pid}" if owner is not None else "end it"
    return [
        f"Either  {stop}, and this again",
        f"or      start it anew with OLLAMA_HOST={moved},",
        *by_hand,
    ]
