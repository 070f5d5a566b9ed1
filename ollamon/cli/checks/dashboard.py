"""The dashboard while it runs: does it answer, and has it data?"""

from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, fine, problem, warning
from ollamon.cli.checks.world import World

SILENT = problem(
    "dashboard-silent",
    "The dashboard runs, but its page has no numbers to give.",
    "Look at its log.",
)
AWRY = warning(
    "dashboard-awry",
    "The page says itself that something is missing.",
    "What the page says; the other findings say why.",
)
KINDS = (SILENT, AWRY)
# What the check of Ollama says already.
_SAID = frozenset({"upstream_down", "not_ollama"})


def check(world: World) -> Iterator[Finding]:
    """Ask for the numbers that the page shows."""
    if "dashboard" not in world.serving or world.sight.is_offline:
        return
    url = world.loaded.config.dashboard.listen.url
    document = world.sight.document(url, "/api/metrics")
    status = document.get("status") if document else None
    if document is None or not isinstance(status, dict):
        yield SILENT.found(f"{url}/api/metrics gives no numbers", "ollamon logs dashboard")
        return
    text = str(status.get("text", ""))[:200]
    if status.get("level") == "ok" or status.get("kind") in _SAID:
        yield fine("dashboard", f"{url} says: {text}")
    else:
        yield AWRY.found(f"{url} says: {text}", "ollamon status")
