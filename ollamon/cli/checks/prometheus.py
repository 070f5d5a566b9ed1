"""Prometheus: the binary, or the engine that is asked instead; and what it scrapes."""

import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ollamon import services
from ollamon.artifacts.prometheus import JOB, target
from ollamon.cli.checks.exposition import total
from ollamon.cli.checks.finding import Finding, fine, problem, warning
from ollamon.cli.checks.world import World
from ollamon.config.model import Config, PrometheusMode
from ollamon.metrics.catalog import REQUESTS_ACCEPTED

TIMEOUT_S = 3.0
MISSING = warning(
    "prometheus-missing",
    "Prometheus is not installed: the dashboard keeps the history itself.",
    "Install it; nothing else has to change.",
)
REQUIRED = problem(
    "prometheus-required",
    "Prometheus is not installed, and the configuration requires it.",
    "Install it, or set `[prometheus] mode` to `auto`.",
)
STRANGE = problem(
    "prometheus-strange",
    "The program that is called prometheus does not say a version: it may be another one.",
    "Correct `[prometheus] binary`.",
)
UNREACHABLE = problem(
    "prometheus-unreachable",
    "The engine of `prometheus.url` does not answer queries, so the page has no history.",
    "Start it, or correct the URL.",
)
NO_TARGET = problem(
    "prometheus-no-target",
    "Prometheus scrapes nothing of ollamon, so the page stays empty.",
    "Add the job to its `scrape_configs` and let it read them again.",
)
DOWN = warning(
    "prometheus-target-down",
    "Prometheus cannot scrape the proxy: since then history has a hole.",
    "Look at what it says, and whether the proxy runs.",
)
JOB_NAME = warning(
    "prometheus-job",
    f"The job has another name than `{JOB}`, so dashboards and alerts that select it find nothing.",
    f"Call the job `{JOB}`.",
)
NAMES = warning(
    "prometheus-names",
    "Prometheus scrapes the proxy and keeps none of its names: a relabelling drops them.",
    "Let `metric_relabel_configs` keep `ollama_proxy_.*`, `ollama_.*` and `ollamon_.*`.",
)
KINDS = (MISSING, REQUIRED, STRANGE, UNREACHABLE, NO_TARGET, DOWN, JOB_NAME, NAMES)


def check(world: World) -> Iterator[Finding]:
    """Say where history is kept, whether that works, and whether our numbers get there."""
    ours = world.loaded.config.prometheus
    if ours.mode is PrometheusMode.EMBEDDED:
        yield fine("prometheus", "embedded: the dashboard keeps the history itself")
    elif ours.mode is PrometheusMode.EXTERNAL:
        found = _external(world, ours.url)
        yield found
        if found.id == "prometheus" and not world.sight.is_offline:
            yield from _scraped(world, ours.url)
    else:
        yield _binary(world, is_required=ours.mode is PrometheusMode.MANAGED)
        if "prometheus" in world.serving and not world.sight.is_offline:
            yield from _scraped(world, ours.listen.url)


def _binary(world: World, *, is_required: bool) -> Finding:
    name = world.loaded.config.prometheus.binary
    found = world.find(str(Path(name).expanduser()))
    if found is None:
        fix = services.how_to_install_prometheus(world.find)
        rest = "" if is_required else ": the dashboard keeps the history itself"
        return (REQUIRED if is_required else MISSING).found(f"{name} not found{rest}", fix)
    version = version_of(found)
    if not version:
        evidence = f"{found} does not say a version: is it Prometheus?"
        return STRANGE.found(evidence, f"{found} --version")
    return fine("prometheus", f"{found} {version}")


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


def _external(world: World, url: str) -> Finding:
    if world.sight.is_offline:
        return fine("prometheus", f"external: {url} is not asked (--offline)")
    fix = f"curl -fsS '{url}/api/v1/query?query=up'"
    try:
        status = world.sight.ask(url, _query(url, "up")).status
    except (OSError, http.client.HTTPException) as error:
        reason = str(error).lower() or type(error).__name__
        return UNREACHABLE.found(f"external: {url}: {reason}", fix)
    if status != 200:
        evidence = f"external: {url} answers a query with status {status}"
        return UNREACHABLE.found(evidence, fix)
    return fine("prometheus", f"external: {url} answers queries")


def _query(url: str, expression: str) -> str:
    return f"{urlsplit(url).path}/api/v1/query?query={quote(expression)}"


def _scraped(world: World, url: str) -> Iterator[Finding]:
    """Look at its targets for the one that is our proxy."""
    document = world.sight.document(url, f"{urlsplit(url).path}/api/v1/targets?state=active")
    data = document.get("data") if document else None
    targets = data.get("activeTargets") if isinstance(data, dict) else None
    if not isinstance(targets, list):
        # Not every engine that answers queries scrapes itself.
        return
    config = world.loaded.config
    ours = [each for each in targets if isinstance(each, dict) and is_ours(each, config)]
    if not ours:
        place = target(config.proxy.metrics_listen)
        evidence = f"{url} has {len(targets)} targets, none of them is {place}"
        yield NO_TARGET.found(evidence, _snippet(place))
        return
    for found in judge(ours[0]):
        # While the proxy does not run, nobody could scrape it.
        if found.id != DOWN.id or "proxy" in world.serving:
            yield found
    if ours[0].get("health") == "up":
        yield from _kept(world, url)


def is_ours(found: dict[str, Any], config: Config) -> bool:
    """Say whether a target is the proxy: by the address, or else by the name of the job."""
    labels = found.get("labels")
    job = labels.get("job") if isinstance(labels, dict) else ""
    try:
        port = urlsplit(str(found.get("scrapeUrl"))).port
    except ValueError:
        port = None
    return port == config.proxy.metrics_listen.port or job == JOB


def judge(found: dict[str, Any]) -> Iterator[Finding]:
    """Say what is wrong with a target."""
    labels = found.get("labels")
    job = str(labels.get("job") if isinstance(labels, dict) else "")
    if job != JOB:
        yield JOB_NAME.found(f"the job is called {job[:60]!r}", f"job_name: '{JOB}'")
    if found.get("health") == "down":
        reason = str(found.get("lastError", ""))[:200]
        evidence = f"cannot scrape {str(found.get('scrapeUrl'))[:100]}: {reason}"
        yield DOWN.found(evidence, "ollamon status")


def _kept(world: World, url: str) -> Iterator[Finding]:
    """What the proxy serves has to be there: from birth, whatever has passed."""
    name = REQUESTS_ACCEPTED.name
    served = world.sight.text(world.loaded.config.proxy.metrics_listen.url, "/metrics")
    document = world.sight.document(url, _query(url, f"count({name})"))
    data = document.get("data") if document else None
    if total(served, name) is None or not isinstance(data, dict) or data.get("result"):
        return
    yield NAMES.found(
        f"{url} scrapes the proxy and does not know {name}", f"curl -fsS '{url}/config'"
    )


def _snippet(place: str) -> str:
    return f"- {{job_name: {JOB}, static_configs: [{{targets: ['{place}']}}]}}"
