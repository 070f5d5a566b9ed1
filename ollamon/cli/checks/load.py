"""What our own processes cost: the machine is for the models."""

from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.world import World
from ollamon.cli.words import memory
from ollamon.supervisor.messages import ChildStatus

# Ollama and the simulated one are what is measured, and no cost of measuring.
MEASURED = frozenset({"ollama", "demo"})
BUSY_PERCENT = 50.0
HELPER_BUSY_PERCENT = 20.0
LARGE_BYTES = 1.5e9
BUSY = warning(
    "load-busy",
    "A process of ollamon takes much CPU; in the helper that is powermetrics, asked too often.",
    "For the helper a longer `helper.interval`, or none; else look at the log.",
)
LARGE = warning(
    "load-large",
    "A process of ollamon takes much memory.",
    "For Prometheus a shorter `retention_time`; else restart it, and report it.",
)
KINDS = (BUSY, LARGE)


def check(world: World) -> Iterator[Finding]:
    """Look at what the supervisor has measured."""
    if world.status is None:
        return
    ours = [child for child in world.status.children if child.name not in MEASURED]
    found = [finding for child in ours for finding in _judged(child)]
    yield from found
    if not found:
        cpu = sum(child.cpu_percent or 0.0 for child in ours)
        rss = sum(child.rss_bytes or 0 for child in ours)
        yield fine("load", f"{cpu:.1f} % of a core, {memory(rss)}")


def _judged(child: ChildStatus) -> Iterator[Finding]:
    is_helper = child.name == "helper"
    limit = HELPER_BUSY_PERCENT if is_helper else BUSY_PERCENT
    if child.cpu_percent is not None and child.cpu_percent > limit:
        fix = (
            "OLLAMON_HELPER__INTERVAL=15s ollamon up" if is_helper else f"ollamon logs {child.name}"
        )
        yield BUSY.found(f"{child.name} takes {child.cpu_percent:.0f} % of a core", fix)
    if child.rss_bytes is not None and child.rss_bytes > LARGE_BYTES:
        evidence = f"{child.name} takes {memory(child.rss_bytes)}"
        yield LARGE.found(evidence, f"ollamon restart {child.name}")
