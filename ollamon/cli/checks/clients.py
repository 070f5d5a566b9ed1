"""Whether clients pass the proxy: those of this shell, and those that Ollama has seen."""

import http.client
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil

from ollamon.cli.checks import models
from ollamon.cli.checks.exposition import samples, total
from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.world import World
from ollamon.config.layers import is_own_proxy
from ollamon.config.model import OllamaMode
from ollamon.config.ollama_host import upstream_of
from ollamon.config.values import is_loopback
from ollamon.host import processes
from ollamon.metrics.catalog import ACTIVE_REQUESTS, MODEL_UNPROXIED_USES, REQUESTS_ACCEPTED

MAX_NAMED = 3
QUICK_S = 0.2
# Longer than /metrics is kept, so that what came meanwhile is in it.
LOOK_S = 1.1
BUSY_CORES = 0.5
PAST = warning(
    "clients-past",
    "OLLAMA_HOST sends clients of this shell past the proxy, so nothing of them is measured.",
    "Let it name the proxy.",
)
AROUND = warning(
    "clients-around",
    "Models were used and no request for them passed the proxy: somebody calls Ollama directly.",
    "Point those clients at the proxy, or let the proxy take Ollama's place with `up --takeover`.",
)
UNSEEN = warning(
    "clients-unseen",
    "Ollama has models in memory, and the proxy has not seen a single request.",
    "Point the clients at the proxy, or let the proxy take Ollama's place with `up --takeover`.",
)
DIRECT = warning(
    "clients-direct",
    "A program is connected to Ollama directly, past the proxy.",
    "Point it at the proxy.",
)
BUSY = warning(
    "clients-busy",
    "Ollama computes while no request passes the proxy: somebody calls it directly.",
    "Point those clients at the proxy, or let the proxy take Ollama's place with `up --takeover`.",
)
DETOUR = warning(
    "clients-detour",
    "http_proxy sends clients elsewhere, even those that call this machine: they fail, or go past "
    "the proxy.",
    "Except this machine with no_proxy.",
)
KINDS = (PAST, AROUND, UNSEEN, BUSY, DIRECT, DETOUR)


def check(world: World) -> Iterator[Finding]:
    """Look at this shell, at the proxy's counters, and at who is connected."""
    found = [
        *(*_shell(world), *_detour(world)),
        *(*_counted(world), *_working(world), *_connected(world)),
    ]
    yield from found
    if not found:
        yield _fine(world)


def _fine(world: World) -> Finding:
    listen = world.loaded.config.proxy.listen
    if _host(world):
        return fine("clients", f"OLLAMA_HOST names the proxy, {listen}")
    if is_own_proxy(upstream_of(""), str(listen)):
        return fine("clients", f"the proxy is where clients call unasked, {listen}")
    evidence = f"OLLAMA_HOST is not set here; what shall be seen must call {listen.url}"
    return fine("clients", evidence, _export(world))


def _host(world: World) -> str:
    return world.environment.get("OLLAMA_HOST", "").strip()


def _export(world: World) -> str:
    return f"export OLLAMA_HOST={world.loaded.config.proxy.listen}"


def _shell(world: World) -> Iterator[Finding]:
    host = _host(world)
    if host and not is_own_proxy(upstream_of(host), str(world.loaded.config.proxy.listen)):
        evidence = f"OLLAMA_HOST={host} goes past the proxy, so nothing is measured"
        yield PAST.found(evidence, _export(world))


def _detour(world: World) -> Iterator[Finding]:
    """Clients in Python and Go follow these variables; curl does in small letters only."""
    variables = {name.lower(): text for name, text in world.environment.items() if text}
    used = next((name for name in ("http_proxy", "all_proxy") if name in variables), "")
    excepted = [part.strip() for part in variables.get("no_proxy", "").split(",")]
    host = world.loaded.config.proxy.listen.host
    if used and not {"*", host} & set(excepted):
        evidence = f"{used} is set, and no_proxy does not name {host}"
        yield DETOUR.found(evidence, f'export no_proxy="${{no_proxy:+$no_proxy,}}localhost,{host}"')


def _counted(world: World) -> Iterator[Finding]:
    """What the proxy's own counters tell, and what Ollama has in memory."""
    config = world.loaded.config
    if "proxy" not in world.serving or config.demo.enabled:
        return
    text = world.sight.text(config.proxy.metrics_listen.url, "/metrics")
    around = [
        (labels.get("model", "?"), value)
        for labels, value in samples(text, MODEL_UNPROXIED_USES.name)
        if value > 0
    ]
    if around:
        names = ", ".join(f"{model[:60]} ({value:.0f})" for model, value in around[:MAX_NAMED])
        yield AROUND.found(f"used past the proxy since it started: {names}", _export(world))
    elif total(text, REQUESTS_ACCEPTED.name) == 0 and config.ollama.mode is not OllamaMode.OFF:
        loaded = models.loaded(world.sight, config.ollama.url) or []
        names = ", ".join(filter(None, map(models.name_of, loaded[:MAX_NAMED])))
        if names:
            yield UNSEEN.found(f"in memory: {names}; requests that passed: 0", _export(world))


def _working(world: World) -> Iterator[Finding]:
    """Whether its runners compute although nothing passes the proxy."""
    config = world.loaded.config
    is_here = is_loopback(urlsplit(config.ollama.url).hostname or "")
    if "proxy" not in world.serving or config.demo.enabled or not is_here:
        return
    if _cores(QUICK_S) <= BUSY_CORES or (before := _passing(world)) is None or before[1] > 0:
        return
    cores = _cores(LOOK_S)
    if cores > BUSY_CORES and _passing(world) == before:
        yield BUSY.found(f"Ollama uses {cores:.1f} cores, requests in flight: 0", _export(world))


def _cores(span_s: float) -> float:
    """Return how many cores its runners use, 0 where there are none or they are hidden."""
    before, began = processes.read(), time.monotonic()
    if processes.Role.RUNNER not in before:
        return 0.0
    time.sleep(span_s)
    used = processes.usage(before, processes.read(), time.monotonic() - began)
    runners = used.get(processes.Role.RUNNER)
    return (runners.cpu_ratio or 0.0) if runners else 0.0


def _passing(world: World) -> tuple[float, float] | None:
    """Return how many requests were accepted and how many are in flight; None is unknown."""
    try:
        listen = world.loaded.config.proxy.metrics_listen
        text = world.sight.ask_anew(listen.url, "/metrics").body.decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    accepted = total(text, REQUESTS_ACCEPTED.name)
    return None if accepted is None else (accepted, total(text, ACTIVE_REQUESTS.name) or 0.0)


def _connected(world: World) -> Iterator[Finding]:
    """Who else has a connection to Ollama's port on this machine."""
    parts = urlsplit(world.loaded.config.ollama.url)
    if not world.children or not is_loopback(parts.hostname or "") or parts.port is None:
        return
    ours = _own_pids(world)
    pids = {
        each.pid
        for each in world.sight.connections or ()
        if each.peer_port == parts.port and each.pid and each.pid not in ours
    }
    named = sorted({_name(pid) for pid in pids} - {""})
    if named:
        more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
        evidence = f"connected to {parts.port} directly: {', '.join(named[:MAX_NAMED])}{more}"
        yield DIRECT.found(evidence, _export(world))


def _own_pids(world: World) -> set[int]:
    """Ours, and who listens there: its runners may talk to it."""
    status, port = world.status, urlsplit(world.loaded.config.ollama.url).port or 0
    children = {child.pid for child in status.children if child.pid} if status else set()
    listeners = {each.pid for each in world.sight.listening(port) if each.pid}
    return {*children, *listeners, *({status.pid} if status else ())}


def _name(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).name()} pid {pid}"
    except psutil.Error:
        return ""
