"""Ollama: reachable, an Ollama, and not open to the network. Never a problem of ours."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil

from ollamon.cli.checks import holes
from ollamon.cli.checks.finding import Finding, Severity, World
from ollamon.cli.upstream import Kind, look
from ollamon.config.values import is_loopback


def check(world: World) -> Iterator[Finding]:
    """Ask it once, directly."""
    config = world.loaded.config
    if config.demo.enabled:
        yield Finding("ollama", Severity.OK, "demo: a simulated Ollama is watched")
        return
    url = config.ollama.url
    found = look(url)
    if found.kind is not Kind.OLLAMA:
        yield Finding("ollama", Severity.WARN, found.detail, found.remedy)
        return
    if address := exposed(url):
        evidence = (
            f"{found.detail} answers at {url}, and listens on {address}: "
            "whoever reaches this machine can use it, past the proxy"
        )
        yield Finding("ollama", Severity.WARN, evidence, "OLLAMA_HOST=127.0.0.1 ollama serve")
    else:
        yield Finding("ollama", Severity.OK, f"{found.detail} answers at {url}")
    if old := holes.judge(found.detail):
        yield old


def exposed(url: str) -> str:
    """Return the address beyond loopback on which the server of a local URL listens, or ""."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return ""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        # macOS tells root only.
        return ""
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        host, port = connection.laddr
        if port == parts.port and not is_loopback(host.removeprefix("::ffff:")):
            return f"{host}:{parts.port}"
    return ""
