"""What the proxy costs beside nginx and an aiohttp proxy: rounds interleaved, one core each.

The load and the scripted upstream run on the other core, where there is one. CPU is that of the
proxy's process alone, metering on.

Other work on the proxies' core makes reads coalesce, so that a line seems cheap and late; as root,
`chrt -r 1 scripts/bench proxy` goes before it.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import uvloop

from scripts.benches.proxying import load, peers
from scripts.benches.proxying.peers import Peer

STREAMS = 200
EVERY_MS = 20
CONNECTIONS = 64
CHAT = load.post("/api/chat")
BARE = load.post("/api/show", b'{"model":"tiny"}')


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything in one round.

    Attributes:
        rounds: At most.
        seconds: No round but the first begins that would end later: the machine may be busy.
    """

    rounds: int
    seconds: float
    window_s: float
    opening_s: float
    requests: int
    posts: int
    megabytes: int
    cancels: int
    open_streams: tuple[int, ...]


QUICK = Plan(3, 46.0, 1.0, 0.4, 30, 250, 48, 15, (1000,))
FULL = Plan(9, 1200.0, 3.0, 1.0, 150, 2000, 256, 60, (1000, 5000))


@dataclass(slots=True)
class Figures:
    """One value a round and measure, in the order of the rounds."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(values) for name, values in self.values.items()}


def percentile(values: list[int], share: float) -> float:
    """Microseconds of nanoseconds."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] / 1e3


def add_times(found: Figures, name: str, times: list[int]) -> None:
    found.add(f"{name}_p50_us", percentile(times, 0.5))
    found.add(f"{name}_p99_us", percentile(times, 0.99))


class Cost:
    """CPU of a proxy since the last look."""

    def __init__(self, peer: Peer, found: Figures) -> None:
        self.peer = peer
        self.found = found
        self.before = peer.cpu_us()

    def add(self, name: str, number: float) -> None:
        now = self.peer.cpu_us()
        self.found.add(name, (now - self.before) / number)
        self.before = now

    def skip(self) -> None:
        self.before = self.peer.cpu_us()


async def measure_lines(peer: Peer, plan: Plan, found: Figures) -> None:
    """200 streams at 50 lines a second; only the steady state is counted, not their beginning."""
    streams = await load.open_streams(peer.port, STREAMS, EVERY_MS, plan.opening_s)
    add_times(found, "first_token", [stream.first_token_ns for stream in streams])
    lines = sum(stream.lines for stream in streams)
    for stream in streams:
        stream.is_timed = True
    cost, (user, system) = Cost(peer, found), peer.user_share()
    await asyncio.sleep(plan.window_s)
    lines = sum(stream.lines for stream in streams) - lines
    cost.add("line_cpu_us", lines)
    now_user, now_system = peer.user_share()
    found.add("line_user_ticks", now_user - user)
    found.add("line_system_ticks", now_system - system)
    found.add("lines_per_s", lines / plan.window_s)
    add_times(found, "token_delay", [delay for stream in streams for delay in stream.delays])
    for stream in streams:
        stream.transport.abort()
    await asyncio.sleep(0.1)


async def measure_requests(peer: Peer, plan: Plan, found: Figures) -> None:
    """A small chat, answered whole and metered; the same on a route that tells nothing."""
    for name, request in (("request", CHAT), ("bare_request", BARE)):
        await load.ask(peer.port, request, 3, CONNECTIONS)
        cost = Cost(peer, found)
        await load.ask(peer.port, request, plan.requests, CONNECTIONS)
        cost.add(f"{name}_cpu_us", plan.requests * CONNECTIONS)
    await load.ask(peer.port, CHAT, 20)
    add_times(found, "post", await load.ask(peer.port, CHAT, plan.posts))


async def measure_bodies(peer: Peer, plan: Plan, found: Figures) -> None:
    cost = Cost(peer, found)
    await load.upload(peer.port, plan.megabytes)
    cost.add("up_cpu_us_per_mb", plan.megabytes)
    await load.download(peer.port, plan.megabytes)
    cost.add("down_cpu_us_per_mb", plan.megabytes)


_ids = itertools.count(1)


async def measure_cancels(peer: Peer, plan: Plan, found: Figures, upstream: Peer) -> None:
    times = [await load.cancel(peer.port, upstream.port, next(_ids)) for _ in range(plan.cancels)]
    add_times(found, "cancel", times)


async def measure_memory(peer: Peer, number: int, found: Figures) -> None:
    """Memory of a fresh process before and with so many streams open, two tokens in each."""
    before = peer.rss_kb()
    streams = await load.open_streams(peer.port, number, 0, number / 2500)
    await asyncio.sleep(0.5)
    found.add(f"kb_per_stream_at_{number}", (peer.rss_kb() - before) / number)
    found.add("base_mb", before / 1024)
    for stream in streams:
        stream.transport.abort()
    await asyncio.sleep(0.2)


Start = Callable[[int], contextlib.AbstractContextManager[Peer]]


def contestants(against: str, other: str) -> dict[str, Start]:
    """Who takes part, beside upstream itself."""
    starts: dict[str, Start] = {
        "nginx": peers.nginx,
        "aiohttp": peers.aiohttp,
        "ollamon": peers.ollamon,
    }
    if against:
        starts["before"] = lambda port: peers.ollamon(port, "before", checkout=against)
    if other:
        starts["other"] = lambda port: peers.other(other, port)
    return starts


def measure(plan: Plan, starts: dict[str, Start]) -> dict[str, Figures]:
    found = {name: Figures() for name in ("direct", *starts)}
    end, longest = time.monotonic() + plan.seconds, 0.0
    with peers.upstream() as upstream:
        for number in plan.open_streams:
            for name, start in starts.items():
                with _for_memory(start, name, number, upstream.port) as peer:
                    uvloop.run(measure_memory(peer, number, found[name]))
        with contextlib.ExitStack() as running:
            proxies = [running.enter_context(start(upstream.port)) for start in starts.values()]
            for _ in range(plan.rounds):
                begin = time.monotonic()
                if longest and begin + longest > end:
                    break
                for peer in (upstream, *proxies):
                    uvloop.run(measure_round(peer, plan, found[peer.name], upstream))
                longest = max(longest, time.monotonic() - begin)
    return found


def _for_memory(
    start: Start, name: str, number: int, port: int
) -> contextlib.AbstractContextManager[Peer]:
    """Its own limit of requests in flight is 2,048, and it keeps to it: that is lifted here."""
    if name == "ollamon" and number > 2000:
        return peers.ollamon(port, raised=True)
    return start(port)


async def measure_round(peer: Peer, plan: Plan, found: Figures, upstream: Peer) -> None:
    await measure_lines(peer, plan, found)
    await measure_requests(peer, plan, found)
    if peer is upstream:
        return
    await measure_bodies(peer, plan, found)
    await measure_cancels(peer, plan, found, upstream)


def conclude(found: Figures) -> dict[str, float]:
    """Medians, and what follows from them; user time is a share of all ticks of the run."""
    values = found.medians()
    user = sum(found.values["line_user_ticks"])
    system = sum(found.values["line_system_ticks"])
    del values["line_user_ticks"], values["line_system_ticks"]
    if user + system:
        values["line_user_us"] = values["line_cpu_us"] * user / (user + system)
        values["line_system_us"] = values["line_cpu_us"] * system / (user + system)
    if "up_cpu_us_per_mb" in values:
        both = values["up_cpu_us_per_mb"] + values["down_cpu_us_per_mb"]
        values["body_cpu_us_per_mb"] = both / 2
    return values


RATIOS = {
    "cpu_per_line": "line_cpu_us",
    "cpu_per_request": "request_cpu_us",
    "cpu_per_bare_request": "bare_request_cpu_us",
    "post_p50": "post_p50_us",
    "post_p99": "post_p99_us",
    "token_delay_p50": "token_delay_p50_us",
    "token_delay_p99": "token_delay_p99_us",
    "first_token_p50": "first_token_p50_us",
    "body_cpu_per_mb": "body_cpu_us_per_mb",
    "kb_per_stream": "kb_per_stream_at_1000",
    "cancel_p50": "cancel_p50_us",
}
ROWS = (
    *("line_cpu_us", "line_user_us", "line_system_us", "request_cpu_us", "bare_request_cpu_us"),
    *("post_p50_us", "post_p99_us", "token_delay_p50_us", "token_delay_p99_us"),
    *("first_token_p50_us", "first_token_p99_us", "up_cpu_us_per_mb", "down_cpu_us_per_mb"),
    *("body_cpu_us_per_mb", "kb_per_stream_at_1000", "kb_per_stream_at_5000", "base_mb"),
    *("cancel_p50_us", "cancel_p99_us", "lines_per_s"),
)


def ratios(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    return {
        name: round(ours[key] / theirs[key], 3)
        for name, key in RATIOS.items()
        if ours.get(key) and theirs.get(key)
    }


def print_table(figures: dict[str, dict[str, float]]) -> None:
    names = list(figures)
    print(f"| median | {' | '.join(names)} | ollamon / nginx |")
    print("|---" * (len(names) + 2) + "|")
    for row in ROWS:
        if row not in figures["ollamon"]:
            continue
        cells = [f"{figures[name][row]:.1f}" if row in figures[name] else "" for name in names]
        base = figures["nginx"].get(row)
        share = f"{figures['ollamon'][row] / base:.2f}" if base else ""
        print(f"| {row} | {' | '.join(cells)} | {share} |")


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench proxy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, under 50 s")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument(
        "--against", metavar="CHECKOUT", default="", help="another checkout of ollamon to compare"
    )
    parser.add_argument(
        "--seconds", metavar="S", type=float, help="no round but the first ends later than that"
    )
    parser.add_argument(
        "--other", metavar="COMMAND", default="", help="another proxy; {port} and {upstream} in it"
    )
    options = parser.parse_args()
    os.sched_setaffinity(0, peers.LOAD_CORES)
    before = peers.machine()
    plan = QUICK if options.quick else FULL
    if options.seconds:
        plan = replace(plan, seconds=options.seconds)
    found = measure(plan, contestants(options.against, options.other))
    figures = {name: conclude(each) for name, each in found.items()}
    print_table(figures)
    if not options.json:
        return
    ours, nginx = figures["ollamon"], figures["nginx"]
    document: dict[str, object] = {
        "ratios": ratios(ours, nginx),
        "aiohttp_ratios": ratios(figures["aiohttp"], nginx),
        "added_us": {
            name: round(ours[f"post_{name}_us"] - figures["direct"][f"post_{name}_us"], 1)
            for name in ("p50", "p99")
        },
        "figures": {name: rounded(values) for name, values in figures.items()},
        "machine": before,
        "load_after": peers.machine()["load"],
        "rounds": len(found["nginx"].values["line_cpu_us"]),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
