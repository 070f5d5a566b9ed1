"""Holes of Ollama that a newer one does not have, without I/O."""

from ollamon.cli.checks.finding import Finding, warning
from ollamon.cli.checks.numbers import numbers_of

FIXED = {
    # Names -> the first version without it, and what it lets others do.
    "CVE-2026-7482": ((0, 17, 1), "a model file reads the server's memory"),
    # ollama#13738
    "CVE-2025-51471": ((0, 14, 3), "a registry sends the token of another one elsewhere"),
    "CVE-2024-45436": ((0, 1, 47), "a model file writes outside of its folder"),
    "CVE-2024-28224": ((0, 1, 29), "a web page asks the server through DNS rebinding"),
}
OLD = warning(
    "ollama-old",
    "This version of Ollama has published security holes.",
    "Install a newer one.",
)
DOWNLOAD = "https://ollama.com/download"


def judge(version: str) -> Finding | None:
    """Return a warning about a version with known holes; None for others and for unknown words."""
    # A development build says 0.0.0.
    if not (numbers := numbers_of(version)) or not any(numbers):
        return None
    known = {name: what for name, (fixed, what) in FIXED.items() if numbers < fixed}
    if not known:
        return None
    named = "; ".join(f"{name}, {what}" for name, what in known.items())
    newest = ".".join(map(str, max(fixed for fixed, _ in FIXED.values())))
    evidence = f"{version} is older than {newest} and has known holes: {named}"
    return OLD.found(evidence, DOWNLOAD)
