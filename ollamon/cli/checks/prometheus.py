"""Prometheus: the binary, or the engine that is asked instead."""

import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ollamon import services
from ollamon.cli.checks.finding import Finding, Severity, World
from ollamon.cli.fetch import get
from ollamon.config.model import PrometheusMode

TIMEOUT_S = 3.0


def check(world: World) -> Iterator[Finding]:
    """Say where history is kept, and whether that works."""
    ours = world.loaded.config.prometheus
    match ours.mode:
        case PrometheusMode.EMBEDDED:
            yield Finding("prometheus", Severity.OK, "embedded: history in the dashboard's memory")
        case PrometheusMode.EXTERNAL:
            yield _external(ours.url)
        case PrometheusMode.AUTO | PrometheusMode.MANAGED:
            yield _binary(world, is_required=ours.mode is PrometheusMode.MANAGED)


def _binary(world: World, *, is_required: bool) -> Finding:
    name = world.loaded.config.prometheus.binary
    found = world.find(str(Path(name).expanduser()))
    if found is None:
        fix = services.how_to_install_prometheus(world.find)
        severity = Severity.PROBLEM if is_required else Severity.WARN
        rest = "" if is_required else ": history is kept in the dashboard's memory"
        return Finding("prometheus", severity, f"{name} not found{rest}", fix)
    version = version_of(found)
    if not version:
        evidence = f"{found} does not say a version: is it Prometheus?"
        return Finding("prometheus", Severity.PROBLEM, evidence, f"{found} --version")
    return Finding("prometheus", Severity.OK, f"{found} {version}")


def version_of(binary: str) -> str:
    """Return what `--version` says, such as `2.42.0`; "" when it says none."""
    try:
        done = subprocess.run(  # noqa: S603
            [binary, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    # Written to stdout since 2.x, to stderr before.
    words = (done.stdout or done.stderr).split()
    is_known = words[:2] == ["prometheus,", "version"] and len(words) > 2
    return words[2] if is_known else ""


def _external(url: str) -> Finding:
    fix = f"curl -fsS '{url}/api/v1/query?query=up'"
    try:
        target = f"{urlsplit(url).path}/api/v1/query?query=up"
        status, _ = get(url, target, timeout_s=TIMEOUT_S, most=0)
    except (OSError, http.client.HTTPException) as error:
        reason = str(error).lower() or type(error).__name__
        return Finding("prometheus", Severity.PROBLEM, f"external: {url}: {reason}", fix)
    if status != 200:
        evidence = f"external: {url} answers a query with status {status}"
        return Finding("prometheus", Severity.PROBLEM, evidence, fix)
    return Finding("prometheus", Severity.OK, f"external: {url} answers queries")
