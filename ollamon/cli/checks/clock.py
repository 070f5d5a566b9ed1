"""The clock: history is only as good as its timestamps."""

import http.client
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.world import World
from ollamon.cli.words import uptime
from ollamon.config import files
from ollamon.config.model import PrometheusMode
from ollamon.config.paths import folders
from ollamon.config.values import is_loopback

# A Date has whole seconds, and an answer may take two.
TOLERANCE_S = 30.0
BEHIND = warning(
    "clock-behind",
    "The clock is behind what it said before: new samples are refused as too old, or look like "
    "the past.",
    "Set the clock.",
)
MOVED = warning(
    "clock-moved",
    "The clock was set while the stack ran: history has a gap or an overlap there.",
    "Start the stack again once the clock is right.",
)
APART = warning(
    "clock-apart",
    "This machine and a server that is asked do not agree about the time: the page shows the wrong "
    "moment, or nothing.",
    "Set both clocks by NTP.",
)
KINDS = (BEHIND, MOVED, APART)
FIX = "sudo sntp -sS time.apple.com" if sys.platform == "darwin" else "timedatectl set-ntp true"


def check(world: World) -> Iterator[Finding]:
    """Compare now with what was written before, with the kernel's own count, and with others."""
    now = time.time()
    found = [*_behind(world, now), *_moved(world), *_apart(world)]
    yield from found
    if not found:
        yield fine("clock", "agrees with what was written before")


def _behind(world: World, now: float) -> Iterator[Finding]:
    places = folders(world.loaded.config)
    written = (places.runtime / "run.json", places.state / "events.jsonl", Path(__file__))
    for path in written:
        try:
            ahead_s = path.stat().st_mtime - now
        except OSError:
            continue
        if ahead_s > TOLERANCE_S:
            evidence = f"{files.shown(path)} was written {uptime(ahead_s)} in the future"
            yield BEHIND.found(evidence, FIX)
            return


def _moved(world: World) -> Iterator[Finding]:
    """The kernel counts from the boot on, whatever the clock says."""
    if world.status is None:
        return
    try:
        began = psutil.Process(world.status.pid).create_time()
    except psutil.Error:
        return
    # The supervisor notes the time a moment after it began.
    moved_s = began - world.status.started
    if abs(moved_s) > TOLERANCE_S:
        way = "forward" if moved_s > 0 else "back"
        yield MOVED.found(f"set {way} by {uptime(abs(moved_s))} since the stack began", FIX)


def _apart(world: World) -> Iterator[Finding]:
    for name, base, target in _servers(world):
        if is_loopback(urlsplit(base).hostname or ""):
            # It has our clock.
            continue
        try:
            date = world.sight.ask(base, target).date
            skew_s = parsedate_to_datetime(date).timestamp() - time.time()
        except (OSError, http.client.HTTPException, ValueError):
            continue
        if abs(skew_s) > TOLERANCE_S:
            way = "ahead of" if skew_s > 0 else "behind"
            yield APART.found(f"{name} is {uptime(abs(skew_s))} {way} this machine", FIX)


def _servers(world: World) -> Iterator[tuple[str, str, str]]:
    """Those that are asked anyway."""
    config = world.loaded.config
    if config.prometheus.mode is PrometheusMode.EXTERNAL:
        yield "Prometheus", config.prometheus.url, "/api/v1/query?query=up"
    if not config.demo.enabled:
        yield "Ollama", config.ollama.url, "/api/version"
