import asyncio
from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from aiohttp import web

from ollamon.demo.habits import Errand
from ollamon.demo.traffic import Traffic


class Ledger:
    """A proxy that writes down what it is asked."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.gone = asyncio.Event()
        self.news = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen[f"{request.method} {request.path}"] += 1
        self.news.set()
        self.agent = request.headers["User-Agent"]
        if request.path == "/endless":
            try:
                await asyncio.Event().wait()
            finally:
                self.gone.set()
        if request.path == "/cut":
            request.transport.abort()
        return web.Response(status=404 if request.path == "/missing" else 200)

    async def has(self, key: str, times: int) -> None:
        while self.seen[key] < times:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 30)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


async def start(ledger: Ledger, port: int = 0) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", ledger.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    return runner


@pytest.fixture
async def proxy(ledger):
    runner = await start(ledger)
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def quick(_: float) -> None:
    await asyncio.sleep(0.005)


async def live(traffic: Traffic, users: dict, until) -> None:
    """Run traffic until something has happened."""
    running = asyncio.get_running_loop().create_task(traffic.run(users))
    try:
        async with asyncio.timeout(60):
            await until
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def always(path: str, **more):
    return lambda _: Errand(0.1, path, **more)


async def test_each_user_runs_errands_one_after_the_other(ledger, proxy):
    traffic = Traffic(proxy, Random(1), quick)
    users = {"one": always("/a"), "two": always("/b", body={"x": 1})}
    await live(traffic, users, asyncio.gather(ledger.has("GET /a", 5), ledger.has("POST /b", 5)))
    assert ledger.agent.startswith("ollamon-demo/")
    assert traffic.done >= 8
    assert not traffic.is_away


async def test_a_refusal_and_a_cut_stream_stop_nobody(ledger, proxy):
    users = {"one": always("/missing"), "two": always("/cut")}
    traffic = Traffic(proxy, Random(1), quick)
    until = asyncio.gather(ledger.has("GET /missing", 3), ledger.has("GET /cut", 3))
    await live(traffic, users, until)


async def test_a_user_who_loses_patience_closes_the_connection(ledger, proxy):
    traffic = Traffic(proxy, Random(1), quick)
    users = {"one": always("/endless", patience_s=0.05)}
    await live(traffic, users, ledger.gone.wait())
    await live(traffic, users, ledger.has("GET /endless", 3))


async def test_traffic_waits_for_a_proxy_that_is_not_up_yet(ledger, free_port, caplog):
    missed = asyncio.Event()
    runners = []

    async def notice(_: float) -> None:
        if traffic.is_away:
            missed.set()
        await asyncio.sleep(0.005)

    async def come_up() -> None:
        await missed.wait()
        runners.append(await start(ledger, free_port))
        await ledger.has("GET /a", 2)

    traffic = Traffic(f"http://127.0.0.1:{free_port}", Random(1), notice)
    try:
        await live(traffic, {"one": always("/a")}, come_up())
    finally:
        for runner in runners:
            await runner.cleanup()
    assert not traffic.is_away
    said = [text for text in caplog.messages if "cannot reach" in text]
    assert len(said) == 1
    assert str(free_port) in said[0]


async def test_the_wait_for_a_proxy_grows_to_five_seconds(free_port):
    waits = []
    enough = asyncio.Event()

    async def remember(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            enough.set()
        await asyncio.sleep(0)

    traffic = Traffic(f"http://127.0.0.1:{free_port}", Random(1), remember)
    await live(traffic, {"one": always("/a")}, enough.wait())
    assert waits[1:8] == [0.5, 1, 2, 4, 5, 5, 5]
