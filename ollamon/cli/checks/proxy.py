"""The proxy while it runs: its numbers, and the way through it."""

import http.client
import time
from collections.abc import Iterator

from ollamon.cli.checks.exposition import total
from ollamon.cli.checks.finding import Finding, fine, problem, warning
from ollamon.cli.checks.world import World
from ollamon.config.model import OllamaMode
from ollamon.metrics.catalog import REQUESTS_ACCEPTED

SLOW_S = 0.05
# Of a few, one is not delayed by what else this machine does.
TRIES = 3
SILENT = problem(
    "proxy-no-metrics",
    "The proxy runs, but where its metrics should be nobody answers as it does.",
    "Look at its log, and at who has the port.",
)
BLOCKED = problem(
    "proxy-blocked",
    "Ollama answers, but not through the proxy.",
    "Look at the proxy's log.",
)
SLOW = warning(
    "proxy-slow",
    "The way through the proxy takes much longer than the direct one.",
    "Look whether this machine is overloaded.",
)
KINDS = (SILENT, BLOCKED, SLOW)


def check(world: World) -> Iterator[Finding]:
    """Ask what it serves, and the same question of Ollama through it and directly."""
    if "proxy" not in world.serving or world.sight.is_offline:
        return
    proxy = world.loaded.config.proxy
    text = world.sight.text(proxy.metrics_listen.url, "/metrics")
    if total(text, REQUESTS_ACCEPTED.name) is None:
        evidence = f"{proxy.metrics_listen.url}/metrics does not show {REQUESTS_ACCEPTED.name}"
        yield SILENT.found(evidence, "ollamon logs proxy")
    else:
        yield from _way(world)


def _way(world: World) -> Iterator[Finding]:
    config = world.loaded.config
    through, direct = config.proxy.listen.url, config.upstream_url
    if config.ollama.mode is OllamaMode.OFF and not config.demo.enabled:
        yield fine("proxy", f"{config.proxy.metrics_listen.url}/metrics answers")
        return
    direct_s, through_s = _timed(world, direct), _timed(world, through)
    if direct_s is None:
        yield fine("proxy", f"{config.proxy.metrics_listen.url}/metrics answers")
    elif through_s is None:
        evidence = f"{direct} answers GET /api/version, and not through {through}"
        yield BLOCKED.found(evidence, "ollamon logs proxy")
    else:
        took = (
            f"{through_s * 1000:.1f} ms through {config.proxy.listen}, {direct_s * 1000:.1f} direct"
        )
        is_slow = through_s > direct_s + SLOW_S
        yield SLOW.found(took, "ollamon status") if is_slow else fine("proxy", took)


def _timed(world: World, url: str) -> float | None:
    """Return the seconds of the quickest answer, None when one of them is no good one."""
    took = []
    for _ in range(TRIES):
        began = time.monotonic()
        try:
            answer = world.sight.ask_anew(url, "/api/version")
        except (OSError, http.client.HTTPException):
            return None
        if answer.status != 200:
            return None
        took.append(time.monotonic() - began)
    return min(took)
