"""The proxy's process: handover, sockets, loop; relay, admin server, poller, hardware; drain.

Clients are served first. What only measures is imported while they are: the web framework alone
takes as long as all else, and who asks :8001 meanwhile waits in the queue of a socket that listens.
"""

import asyncio
import contextlib
import gc
import importlib
import logging
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import psutil
from prometheus_client import CollectorRegistry

from ollamon import handover
from ollamon.access import PageAccess, ProxyAccess
from ollamon.config.model import Config, OllamaMode
from ollamon.config.section import config_of
from ollamon.errors import HandoverError, ListenError
from ollamon.handover import Handover, Notifier
from ollamon.metrics.instruments import Instruments
from ollamon.proxy.components import show_components
from ollamon.proxy.own import show_own_process
from ollamon.proxy.pool import UpstreamAddress
from ollamon.proxy.recorder import Recorder
from ollamon.proxy.relay import Limits, Relay, RelaySettings, relaying
from ollamon.proxy.upstream_state import UpstreamBox, UpstreamKind, UpstreamState

_ALIVE_EVERY_S = 5.0
_RETRY_S = 5.0
# Without a supervisor nobody waits for a drain; handover leaves hard a second later.
_ORPHAN_DRAIN_S = 2.0
_WANTED_FILES = 65536
# For the poller, the admin server, the helper, libraries and clients that get a 503.
_SPARE_FILES = 256
_LIMITS = Limits()
# proxy.md, section 8: a stream allocates little that is cyclic.
_GC_THRESHOLDS = (50_000, 50, 50)
_log = logging.getLogger("ollamon.proxy")


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where clients and scrapers connect; bound."""

    listen: socket.socket
    metrics_listen: socket.socket


class Stop:
    """What tells the proxy to leave: SIGTERM drains, a second one cuts, so does a lost parent."""

    def __init__(self, drain_s: float) -> None:
        self.requested = asyncio.Event()
        self.drain_s = drain_s
        self._hurry: Callable[[], None] | None = None

    def watch(self, loop: asyncio.AbstractEventLoop, hurry: Callable[[], None]) -> None:
        """Listen to the signal and the lifeline."""
        self._hurry = hurry
        loop.add_signal_handler(signal.SIGTERM, self._terminate)

        def orphaned() -> None:
            # The loop is closed when a SIGTERM came first.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._orphaned)

        handover.watch_lifeline(orphaned)

    def _terminate(self) -> None:
        if self.requested.is_set() and self._hurry is not None:
            self._hurry()
        self.requested.set()

    def _orphaned(self) -> None:
        self.drain_s = min(self.drain_s, _ORPHAN_DRAIN_S)
        self._terminate()


def main() -> int:
    """Run until SIGTERM or the end of the lifeline; return the exit code.

    0: stopped. 78: the section cannot be used. 98: an address cannot be had.
    """
    # The supervisor decides what Ctrl-C means; the terminal sends it to all of us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    notifier = Notifier.from_environment()
    try:
        received = handover.receive()
        config = config_of(received.section)
        sockets = Sockets(
            received.listening("listen", *config.proxy.listen),
            received.listening("metrics_listen", *config.proxy.metrics_listen),
        )
    except (HandoverError, ListenError) as error:
        _log.error("%s", error)
        return error.exit_code
    _run_in_loop(_run(config, received, sockets, notifier))
    return 0


def _run_in_loop(proxy: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(proxy)
    else:
        uvloop.run(proxy)


async def _run(config: Config, told: Handover, sockets: Sockets, notifier: Notifier) -> None:
    registry = CollectorRegistry()
    instruments = Instruments(registry, compat=config.metrics.compat)
    show_own_process(instruments.board)
    show_components(instruments.board, told.run_file, told.run_id)
    recorder = Recorder(
        instruments,
        max_models=config.metrics.max_models,
        recent=config.proxy.recent_requests,
    )
    upstream = UpstreamBox(tell=_teller(config, notifier))
    stop = Stop(config.proxy.drain_timeout)
    async with relaying(_settings(config), recorder, sockets.listen) as relay:
        stop.watch(asyncio.get_running_loop(), relay.hurry)
        async with asyncio.TaskGroup() as tasks:
            pulse = tasks.create_task(_tell(relay, notifier))
            notifier.ready()
            await asyncio.to_thread(importlib.import_module, "ollamon.proxy.admin")
            from ollamon.proxy import admin

            port = sockets.metrics_listen.getsockname()[1]
            view = admin.AdminView(
                registry=registry,
                recorder=recorder,
                run_id=told.run_id,
                access=PageAccess.of(port, config.proxy.allowed_hosts),
                is_draining=lambda: relay.is_draining,
                upstream=lambda: upstream.state,
                cancel=relay.cancel,
                token=told.token,
            )
            runner = await admin.start(sockets.metrics_listen, view)
            _spare_collector()
            try:
                async with _measuring(config, instruments, recorder, upstream):
                    await stop.requested.wait()
                    await relay.drain(stop.drain_s)
            finally:
                await runner.cleanup()
            pulse.cancel()


def _spare_collector() -> None:
    """Let the garbage collector look at little: what is there now stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _teller(config: Config, notifier: Notifier) -> Callable[[UpstreamState], None]:
    """Return what passes on how upstream fares, where that is nobody's child."""

    def tell(state: UpstreamState) -> None:
        if config.demo.enabled or config.ollama.mode is OllamaMode.MANAGED:
            return
        is_ok = state.kind is UpstreamKind.UP
        detail = state.version if is_ok else state.reason
        notifier.external("ollama", is_ok, config.ollama.url, detail)

    return tell


async def _tell(relay: Relay, notifier: Notifier) -> None:
    while True:
        notifier.alive()
        state = "draining, " if relay.is_draining else ""
        notifier.status(f"{state}{relay.connections} clients, {relay.in_flight} requests in flight")
        await asyncio.sleep(_ALIVE_EVERY_S)


@contextlib.asynccontextmanager
async def _measuring(
    config: Config, instruments: Instruments, recorder: Recorder, upstream: UpstreamBox
) -> AsyncIterator[None]:
    """Poll and read the hardware; whatever fails there begins again and ends no stream."""
    from ollamon.proxy import hardware
    from ollamon.proxy.poller import poll_ollama

    host = config.proxy.upstream_host or None
    jobs: list[Callable[[], Awaitable[object]]] = [
        lambda: hardware.run(config, instruments.board, recorder.attribute)
    ]
    if config.demo.enabled or config.ollama.mode is not OllamaMode.OFF:
        jobs.append(
            lambda: poll_ollama(
                config.upstream_url, instruments.board, recorder, upstream, host_header=host
            )
        )
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_keep_running(job, recorder)) for job in jobs]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def _keep_running(job: Callable[[], Awaitable[object]], recorder: Recorder) -> None:
    while True:
        try:
            await job()
        except Exception as error:  # noqa: BLE001 - fail open
            _log.exception("a part that measures failed; it begins again")
            recorder.failed(error)
        await asyncio.sleep(_RETRY_S)


def _settings(config: Config) -> RelaySettings:
    connections = min(_LIMITS.connections, (_raise_file_limit() - _SPARE_FILES) // 2)
    return RelaySettings(
        upstream=UpstreamAddress.of(config.upstream_url, config.proxy.upstream_host),
        access=ProxyAccess(
            hostname=socket.gethostname(),
            own_addresses=_own_addresses(),
            allowed_hosts=frozenset(name.lower() for name in config.proxy.allowed_hosts),
        ),
        preserve_host=config.proxy.preserve_host,
        inject_usage=config.proxy.inject_usage,
        limits=Limits(max(1, connections), max(1, min(_LIMITS.in_flight, connections))),
    )


def _own_addresses() -> frozenset[str]:
    addresses = (item.address for items in psutil.net_if_addrs().values() for item in items)
    return frozenset(address.partition("%")[0].lower() for address in addresses)


def _raise_file_limit() -> int:
    """Raise the limit of open files as far as it goes; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS refuses more than kern.maxfilesperproc, whatever the hard limit says.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


if __name__ == "__main__":
    sys.exit(main())
