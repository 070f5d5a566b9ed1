"""The dashboard with many pages open, its page in a browser, and what both cost.

A demo stack runs; the dashboard is pinned to one core, the clients to another where there is one.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from playwright.sync_api import Browser, Page

from tests.dashboard.browser.scenes import Scene
from tests.dashboard.browser.stand_in import StandIn
from tests.fakes import chromium
from tests.system.stack import Stack, eventually

MOST_CLIENTS = 500
WAIT_MS = 30_000


@contextmanager
def running(extra: str = "") -> Iterator[Stack]:
    """A demo stack whose dashboard ticks once a second, without Prometheus."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), "http://127.0.0.1:9", extra)
        limits = '[prometheus]\nmode = "embedded"\n'
        text = stack.config.read_text().replace("[prometheus]", limits, 1)
        text = text.replace("[dashboard]", f"[dashboard]\nmax_clients = {MOST_CLIENTS + 10}", 1)
        stack.config.write_text(text)
        try:
            stack.up("--demo")
            yield stack
        finally:
            stack.run("down")


def dashboard_of(stack: Stack) -> psutil.Process:
    return psutil.Process(stack.children()["dashboard"]["pid"])


def pin(process: psutil.Process, core: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    process.cpu_affinity([cores[core % len(cores)]])


class Client:
    """One Socket.IO client over a WebSocket; it keeps how late each tick came."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
        self.delays_ms: list[float] = []

    async def run(self, session: aiohttp.ClientSession, ready: asyncio.Semaphore) -> None:
        async with session.ws_connect(self._url, max_msg_size=0) as socket:
            async for message in socket:
                text = message.data
                if text.startswith("0"):
                    await socket.send_str("40")
                elif text.startswith("40"):
                    ready.release()
                elif text == "2":
                    await socket.send_str("3")
                elif text.startswith('42["tick"'):
                    self._take(text, time.time())

    def _take(self, text: str, now: float) -> None:
        # The first of a client is an old one, given at once.
        at = float(text.partition('"t":')[2].partition(",")[0])
        self.delays_ms.append((now - at) * 1000)


async def listen(url: str, count: int, seconds: float, process: psutil.Process) -> dict[str, float]:
    """Let so many clients listen; return delays, and the dashboard's CPU and memory meanwhile."""
    clients = [Client(url) for _ in range(count)]
    ready = asyncio.Semaphore(0)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.run(session, ready)) for client in clients]
        for _ in clients:
            await asyncio.wait_for(ready.acquire(), 60)
        await asyncio.sleep(2)
        for client in clients:
            client.delays_ms.clear()
        before = spent_s(process)
        await asyncio.sleep(seconds)
        cpu = 100 * (spent_s(process) - before) / seconds
        memory = process.memory_info().rss / 1e6
        for task in tasks:
            task.cancel()
    delays = sorted(delay for client in clients for delay in client.delays_ms)
    found = {"cpu_percent": cpu, "memory_mb": memory, "ticks": len(delays) / max(1, count)}
    if delays:
        found["p50_ms"] = delays[len(delays) // 2]
        found["p99_ms"] = delays[int(len(delays) * 0.99)]
    return found


def spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def clients(stack: Stack, seconds: float) -> Iterator[tuple[str, str]]:
    """Rows about 0, 200 and 500 clients."""
    process = dashboard_of(stack)
    pin(process, 0)
    pin(psutil.Process(), 1)
    for count in (0, 200, MOST_CLIENTS):
        found = asyncio.run(listen(stack.url("dashboard"), count, seconds, process))
        rest = f"CPU {found['cpu_percent']:.1f} %, resident {found['memory_mb']:.0f} MB"
        if count:
            delay = f"tick p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms, "
            assert found["ticks"] >= seconds - 3, found
        else:
            delay = ""
        yield f"{count} clients, a tick a second", delay + rest
    psutil.Process().cpu_affinity(sorted(os.sched_getaffinity(1)))


def new_page(browser: Browser) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(WAIT_MS)
    return page


def weight(stack: Stack, browser: Browser) -> tuple[str, str]:
    """Bytes of one visit, uncompressed, without and with the history."""
    page = new_page(browser)
    sizes: dict[str, int] = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
    page.goto(stack.url("dashboard", "/"))
    page.wait_for_selector("canvas")
    page.wait_for_timeout(500)
    history = sum(size for url, size in sizes.items() if "/api/history" in url)
    page.context.close()
    total = sum(sizes.values())
    return (
        "page, uncompressed",
        f"{(total - history) / 1e3:.0f} KB and {history / 1e3:.0f} KB history",
    )


def first_chart(stack: Stack, browser: Browser) -> tuple[str, str]:
    """From navigation to the first canvas, median of five visits."""
    taken = []
    for _ in range(5):
        page = new_page(browser)
        start = time.perf_counter()
        page.goto(stack.url("dashboard", "/"), wait_until="commit")
        page.wait_for_selector("canvas")
        taken.append((time.perf_counter() - start) * 1000)
        page.context.close()
    low, high = min(taken), max(taken)
    return "first chart", f"{statistics.median(taken):.0f} ms ({low:.0f} to {high:.0f})"


def drawing(browser: Browser) -> Iterator[tuple[str, str]]:
    """Main-thread time of all charts over an hour of 720 points, and of one tick."""
    stand_in = StandIn(Scene())
    try:
        page = new_page(browser)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        page.goto(f"{stand_in.url}?range=1h")
        page.wait_for_selector("canvas")
        page.wait_for_timeout(1500)
        first = metrics_of(session)
        yield "main thread, all charts x 720 points, first", f"{first['TaskDuration'] * 1e3:.0f} ms"
        eventually(lambda: stand_in.has_listener, "the page listens")
        for _ in range(10):
            stand_in.push()
            page.wait_for_timeout(200)
        last = metrics_of(session)
        per_tick = (last["TaskDuration"] - first["TaskDuration"]) * 1e3 / 10
        yield "main thread, one tick", f"{per_tick:.0f} ms"
        yield "browser heap", f"{last['JSHeapUsedSize'] / 1e6:.1f} MB"
    finally:
        stand_in.close()


def metrics_of(session: Any) -> dict[str, float]:
    found = session.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in found}


def leaving(stack: Stack) -> tuple[str, str]:
    """From SIGTERM to the end with clients, and the code that they are closed with."""
    process = dashboard_of(stack)

    async def wait() -> tuple[float, int | None]:
        url = stack.url("dashboard").replace("http", "ws", 1)
        async with aiohttp.ClientSession() as session:
            socket = await session.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket")
            await socket.receive()
            await socket.send_str("40")
            await socket.receive()
            start = time.perf_counter()
            process.terminate()
            async for _ in socket:
                pass
            await asyncio.to_thread(psutil.wait_procs, [process], 5)
            return (time.perf_counter() - start) * 1000, socket.close_code

    taken, code = asyncio.run(wait())
    return "SIGTERM to the end, with a client", f"{taken:.0f} ms, WebSocket close {code}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="for each number of clients")
    seconds = parser.parse_args().seconds
    print(f"{psutil.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| what | value |\n|---|---|")

    def say(row: tuple[str, str]) -> None:
        print(f"| {row[0]} | {row[1]} |", flush=True)

    with running() as stack:
        for row in clients(stack, seconds):
            say(row)
        with chromium.running() as browser:
            say(weight(stack, browser))
            say(first_chart(stack, browser))
            for row in drawing(browser):
                say(row)
        say(leaving(stack))


if __name__ == "__main__":
    main()
