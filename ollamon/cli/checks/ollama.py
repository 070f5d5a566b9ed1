"""Ollama: reachable, an Ollama, and not open to the network. Never a problem of ours."""

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ollamon.cli.checks import holes
from ollamon.cli.checks.finding import Finding, fine, problem, warning
from ollamon.cli.checks.world import World
from ollamon.cli.upstream import Kind, Upstream, look
from ollamon.config.model import OllamaMode
from ollamon.config.values import is_loopback
from ollamon.supervisor.owners import owner_of

DOWN = warning(
    "ollama-down",
    "Nothing answers where Ollama should be: clients get 502 until it does.",
    "Start it, or correct `ollama.url`.",
)
OTHER = warning(
    "ollama-other",
    "The server behind the proxy is no Ollama: requests are measured, loaded models stay unknown.",
    'Set `[ollama] mode = "off"` where that is meant.',
)
REQUIRED = problem(
    "ollama-required",
    "Ollama is not installed, and the configuration wants one as a child.",
    "Install it, or set `[ollama] mode` to `external`.",
)
EXPOSED = warning(
    "ollama-exposed",
    "Ollama listens beyond this machine and asks nobody for a password: whoever reaches it can use "
    "it, past the proxy.",
    "Let it listen on 127.0.0.1.",
)
KINDS = (DOWN, OTHER, REQUIRED, EXPOSED, holes.OLD)


def check(world: World) -> Iterator[Finding]:
    """Ask it once, directly."""
    config = world.loaded.config
    if config.demo.enabled:
        yield fine("ollama", "demo: a simulated Ollama is watched")
        return
    if config.ollama.mode is OllamaMode.OFF:
        yield fine("ollama", f"off: the server at {config.ollama.url} is not asked")
        return
    url = config.ollama.url
    if config.ollama.is_managed and not world.find(str(Path(config.ollama.binary).expanduser())):
        yield REQUIRED.found(f"{config.ollama.binary} not found", holes.DOWNLOAD)
    elif world.sight.is_offline:
        yield fine("ollama", f"{url} is not asked (--offline)")
    else:
        yield from _asked(world, url)
    if address := exposed(world, url):
        yield EXPOSED.found(f"it listens on {address}, beyond this machine", _closed(address))


def _asked(world: World, url: str) -> Iterator[Finding]:
    found = look(url, ask=world.sight.ask)
    if found.kind is Kind.DOWN and _will_be_started(world):
        yield fine("ollama", "managed: starts with the stack")
    elif found.kind is Kind.OLLAMA:
        who = "managed: " if "ollama" in world.children else ""
        yield fine("ollama", f"{who}{found.detail} answers at {url}")
        if old := holes.judge(found.detail):
            yield old
    else:
        yield _awry(found)


def _awry(found: Upstream) -> Finding:
    if found.kind is Kind.DOWN:
        return DOWN.found(found.detail, found.remedy)
    return OTHER.found(found.detail, "ollamon up --ollama off")


def _will_be_started(world: World) -> bool:
    services = world.plan.stack.services if world.plan else ()
    return world.status is None and any(service.name == "ollama" for service in services)


def exposed(world: World, url: str) -> str:
    """Return the address beyond loopback on which the server of a local URL listens, or ""."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or "") or parts.port is None:
        return ""
    if world.sight.connections is None:
        address = world.sight.reached(parts.port)
        return f"{address}:{parts.port}" if address else ""
    for each in world.sight.listening(parts.port):
        if not is_loopback(each.host):
            return f"{each.host}:{each.port}"
    return ""


def _closed(address: str) -> str:
    """Return the command for who runs it."""
    owner = owner_of(int(address.rpartition(":")[2]))
    if owner is not None and owner.unit:
        return f"sudo systemctl edit {owner.unit}  # Environment=OLLAMA_HOST=127.0.0.1"
    if sys.platform == "darwin":
        return "launchctl setenv OLLAMA_HOST 127.0.0.1  # and start the app anew"
    return "OLLAMA_HOST=127.0.0.1 ollama serve"
