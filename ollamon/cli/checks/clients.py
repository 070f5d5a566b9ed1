"""Whether clients of this shell pass the proxy."""

from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, Severity, World
from ollamon.config.layers import is_own_proxy
from ollamon.config.ollama_host import upstream_of


def check(world: World) -> Iterator[Finding]:
    """Look at OLLAMA_HOST, which Ollama's own clients follow."""
    listen = world.loaded.config.proxy.listen
    export = f"export OLLAMA_HOST={listen}"
    if not world.ollama_host.strip():
        evidence = f"OLLAMA_HOST is not set here; what shall be seen must call {listen.url}"
        yield Finding("clients", Severity.OK, evidence, export)
    elif is_own_proxy(upstream_of(world.ollama_host), str(listen)):
        yield Finding("clients", Severity.OK, f"OLLAMA_HOST names the proxy, {listen}")
    else:
        evidence = f"OLLAMA_HOST={world.ollama_host} goes past the proxy, so nothing is measured"
        yield Finding("clients", Severity.WARN, evidence, export)
