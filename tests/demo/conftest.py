from collections.abc import AsyncIterator, Callable
from random import Random

import aiohttp
import pytest
from aiohttp import web

from ollamon.demo.engine import Clock, Engine
from ollamon.demo.server import make_runner

RUN_ID = "0a1b2c3d"
SPEED = 500.0


@pytest.fixture
def engine() -> Engine:
    """An engine for which a second passes in two milliseconds."""
    return Engine(Random(1), Clock(SPEED))


@pytest.fixture
def slow_engine() -> Engine:
    """An engine in real time: what it plays lasts longer than a test needs."""
    return Engine(Random(1), Clock())


@pytest.fixture
async def serve() -> AsyncIterator[Callable]:
    """Serve an engine as the child does, and return the base URL."""
    runners = []

    async def start(engine: Engine) -> str:
        runner = make_runner(engine, Random(1), RUN_ID)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def client(serve, engine) -> AsyncIterator[aiohttp.ClientSession]:
    base = await serve(engine)
    async with aiohttp.ClientSession(base, trust_env=False) as session:
        yield session
