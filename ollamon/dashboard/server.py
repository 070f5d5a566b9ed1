"""The dashboard's process: a listening socket, gevent's server, and a clean end.

`python -m ollamon.dashboard` has patched the standard library before it imports this, so that
blocking code of others yields to gevent's loop.
"""

import logging
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.event
from flask_socketio import SocketIO
from gevent import monkey
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer
from gevent.threadpool import ThreadPool

import ollamon
from ollamon import handover
from ollamon.access import PageAccess
from ollamon.config.model import Config, HelperMode
from ollamon.config.paths import history_file
from ollamon.config.section import config_of
from ollamon.dashboard.app import Settings, create_app
from ollamon.dashboard.feed import Feed, Plan, Sources
from ollamon.dashboard.history import requests, tiers
from ollamon.dashboard.history.file import HistoryFile
from ollamon.dashboard.history.keeper import Keeper
from ollamon.dashboard.history.log import RequestLog, Retention
from ollamon.dashboard.journal import Journal
from ollamon.dashboard.sources.embedded import Embedded
from ollamon.dashboard.sources.helper import Helper
from ollamon.dashboard.sources.prometheus import Prometheus
from ollamon.errors import HandoverError, ListenError
from ollamon.handover import Handover
from ollamon.metrics.panels import Limits, Panel
from ollamon.metrics.served import panels_of

# Beside the pages that are open: calls of the API, and the page itself.
SPARE_CONNECTIONS = 300
ALIVE_EVERY_S = 5.0
GOODBYE_S = 1.0
# An answer takes milliseconds; connections that are kept open for later would take all of it.
STOP_S = 0.25
LIFELINE_GRACE_S = 3.0


def main() -> int:
    """Run as a child of the supervisor; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        told = handover.receive()
        config = config_of(told.section)
        listener = told.listening("listen", *config.dashboard.listen)
    except (HandoverError, ListenError) as error:
        return _fail(str(error), error.exit_code)
    return serve(config, told, listener, handover.Notifier.from_environment())


class OneThread:
    """Runs what blocks in a thread of its own, one call at a time, while gevent's loop turns."""

    def __init__(self) -> None:
        self._pool = ThreadPool(1)

    def __call__(self, work: Callable[[], Any]) -> Any:
        """Return what `work` returns, or raise what it raises."""
        return self._pool.apply(work)


def open_history(config: Config) -> HistoryFile:
    """Name the file of the history; without a folder, nothing is kept on disk."""
    folder = config.paths.data
    path = history_file(Path(folder), is_demo=config.demo.enabled) if folder else None
    return HistoryFile(path, _prepare)


def _prepare(connection: sqlite3.Connection) -> None:
    requests.create(connection)
    tiers.create(connection)


def panels_for(config: Config) -> tuple[Panel, ...]:
    """Return what the page shows of what is served."""
    ours = config.dashboard
    limits = Limits(ours.first_token_limit, ours.token_speed_limit)
    return panels_of(config.metrics.compat, limits)


def build_keeper(config: Config, file: HistoryFile, in_thread: OneThread) -> Keeper | None:
    """Wire what keeps samples for months; None where nothing is kept on disk."""
    if not config.paths.data:
        return None
    size = config.dashboard.history_size
    return Keeper(file, panels_for(config), max_bytes=size, in_thread=in_thread)


def build_journal(config: Config, file: HistoryFile, in_thread: OneThread) -> Journal:
    """Wire the log of requests."""
    ours = config.dashboard
    log = RequestLog(file, Retention(ours.requests_age, ours.requests_rows))
    has_energy = config.helper.mode is not HelperMode.OFF
    url = config.proxy.metrics_listen.url
    return Journal(url, log, in_thread=in_thread, has_energy=has_energy)


def build_feed(
    config: Config, notifier: handover.Notifier, kept: HistoryFile, keeper: Keeper | None
) -> Feed:
    """Wire the sources that the configuration names."""
    engine = config.prometheus.engine_url
    has_helper = config.helper.mode is not HelperMode.OFF
    panels = panels_for(config)
    sources = Sources(
        Embedded(config.proxy.metrics_listen.url, panels, keeper),
        Prometheus(engine, panels) if engine else None,
        Helper(config.helper.listen.url) if has_helper else None,
        kept,
    )
    plan = Plan(
        config.dashboard.interval,
        str(config.proxy.listen),
        config.upstream_url,
        config.demo.enabled,
    )
    return Feed(sources, plan, on_status=lambda status: notifier.status(status.text))


def serve(
    config: Config, told: Handover, listener: socket.socket, notifier: handover.Notifier
) -> int:
    """Serve until SIGTERM or the end of the lifeline; 1 when feed or journal fails."""
    leaving = gevent.event.Event()
    gevent.signal_handler(signal.SIGTERM, leaving.set)
    watch_lifeline(leaving.set)
    kept, in_thread = open_history(config), OneThread()
    keeper = build_keeper(config, kept, in_thread)
    feed = build_feed(config, notifier, kept, keeper)
    journal = build_journal(config, kept, in_thread)
    port = listener.getsockname()[1]
    settings = Settings(
        PageAccess.of(port, config.dashboard.allowed_hosts),
        told.run_id,
        told.token,
        ollamon.__version__,
        config.demo.enabled,
        panels_for(config),
        config.dashboard.max_clients,
    )
    app, socketio = create_app(settings, feed, journal, async_mode="gevent")
    server = WSGIServer(
        listener, app, log=None, spawn=Pool(config.dashboard.max_clients + SPARE_CONNECTIONS)
    )
    server.start()
    loops = [feed.run, journal.run, *([keeper.run] if keeper else [])]
    turning = [gevent.spawn(loop, socketio.emit) for loop in loops]
    for loop in turning:
        loop.link(lambda _: leaving.set())
    beating = gevent.spawn(_beat, notifier)
    notifier.ready()
    leaving.wait()
    has_failed = any(loop.ready() and not loop.successful() for loop in turning)
    beating.kill()
    feed.stop()
    journal.stop()
    say_goodbye(socketio)
    server.stop(timeout=STOP_S)
    # A disk that hangs must not hold the exit.
    gevent.joinall([gevent.spawn(_close, keeper, kept, in_thread)], timeout=GOODBYE_S)
    return int(has_failed)


def _close(keeper: Keeper | None, file: HistoryFile, in_thread: OneThread) -> None:
    if keeper is not None:
        keeper.stop()
    in_thread(file.close)


def say_goodbye(socketio: SocketIO) -> None:
    """Tell the pages and close their sockets, all at once and for a second at most.

    A client that does not take its queue would hold `disconnect` for ever.
    """
    socketio.emit("bye", {})
    gevent.sleep(0.05)
    eio = socketio.server.eio  # type: ignore[attr-defined]
    leaving = [gevent.spawn(eio.disconnect, sid) for sid in list(eio.sockets)]
    gevent.joinall(leaving, timeout=GOODBYE_S)


def watch_lifeline(on_end: Callable[[], object], fd: int = 0) -> None:
    """As handover.watch_lifeline, in a thread that is none of gevent's.

    A patched thread is a greenlet, and its blocking read would stop the loop. A real one also ends
    a process whose loop is stuck.
    """
    hub = gevent.get_hub()
    ended = hub.loop.async_()
    ended.start(on_end)
    sleep = monkey.get_original("time", "sleep")

    def watch() -> None:
        handover.wait_for_end(fd)
        ended.send()
        sleep(LIFELINE_GRACE_S)
        os._exit(1)

    monkey.get_original("_thread", "start_new_thread")(watch, ())


def _beat(notifier: handover.Notifier) -> None:
    while True:
        notifier.alive()
        gevent.sleep(ALIVE_EVERY_S)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code
