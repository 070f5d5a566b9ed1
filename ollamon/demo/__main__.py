"""The demo's process: handover, socket, server, traffic, stop."""

import asyncio
import logging
import signal
import socket
import sys
from contextlib import suppress
from random import Random

import uvloop
from aiohttp import web

from ollamon import handover
from ollamon.config.model import Config
from ollamon.config.section import config_of
from ollamon.demo.engine import Clock, Engine
from ollamon.demo.server import make_runner
from ollamon.demo.traffic import Traffic
from ollamon.errors import HandoverError, ListenError
from ollamon.handover import Notifier

_ALIVE_EVERY_S = 5.0
_LOG = logging.getLogger("ollamon.demo")


def main() -> int:
    """Run until SIGTERM or the end of the lifeline; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    notifier = Notifier.from_environment()
    try:
        received = handover.receive()
        config = config_of(received.section)
        listening = received.listening("listen", *config.demo.listen)
    except (HandoverError, ListenError) as error:
        _LOG.error("%s", error)
        return error.exit_code
    uvloop.run(_serve(listening, config, received.run_id, notifier))
    return 0


async def _serve(listening: socket.socket, config: Config, run_id: str, notifier: Notifier) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def leave() -> None:
        # The loop is closed when a SIGTERM came first.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    handover.watch_lifeline(leave)
    rng = Random()  # noqa: S311  nothing secret is drawn
    engine = Engine(rng, Clock())
    traffic = Traffic(config.proxy.listen.url, rng)
    runner = make_runner(engine, rng, run_id)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        notifier.ready()
        await _live(stop, engine, traffic, notifier)
    finally:
        await runner.cleanup()


async def _live(stop: asyncio.Event, engine: Engine, traffic: Traffic, notifier: Notifier) -> None:
    async with asyncio.TaskGroup() as group:
        users = group.create_task(traffic.run())
        while not stop.is_set():
            notifier.alive()
            notifier.status(_status(engine, traffic))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _ALIVE_EVERY_S)
        users.cancel()


def _status(engine: Engine, traffic: Traffic) -> str:
    if traffic.is_away:
        return "waiting for the proxy"
    return f"{engine.served} jobs served, {len(engine.residents())} models loaded"


if __name__ == "__main__":
    sys.exit(main())
