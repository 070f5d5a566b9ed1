"""Accepts clients, connects them to upstream, ends both; `client`, `connection` move the bytes.

Whatever ends an exchange before its time, upstream's connection is closed at once, and a client
that got a part of an answer never takes it for whole.
"""

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ollamon.access import ProxyAccess
from ollamon.proxy import http1, injection, replies
from ollamon.proxy.agents import ClientKind, client_kind
from ollamon.proxy.client import Client
from ollamon.proxy.connection import Upstream
from ollamon.proxy.exchange import note_connection
from ollamon.proxy.http1 import RequestHead
from ollamon.proxy.pool import Pool, UpstreamAddress, why
from ollamon.proxy.routes import Route, route_of
from ollamon.proxy.tap import Ending, Meter
from ollamon.proxy.timers import Ticker, Timeouts
from ollamon.proxy.traces import trace_of

_BACKLOG = 4096
# Beyond the limit of connections, so many still get an answer before they are cut.
_MAX_REFUSED = 64
_REMEMBERED_HOSTS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once. In flight lies above Ollama's own 512, so that its answer shows first."""

    connections: int = 4096
    in_flight: int = 2048


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """All that the relay is told.

    Attributes:
        upstream: Where requests go.
        access: Which Host may come in.
        preserve_host: Pass the client's Host on.
        inject_usage: Ask OpenAI streams for their usage.
    """

    upstream: UpstreamAddress
    access: ProxyAccess = field(default_factory=ProxyAccess)
    preserve_host: bool = False
    inject_usage: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits = field(default_factory=Limits)


class Incoming(NamedTuple):
    """A request as its head alone tells.

    Attributes:
        head: As it was understood.
        method: As the meter is told.
        route: Where it goes.
        out: The head that upstream gets.
        is_allowed: Its Host may come in.
        may_inject: Its body may have to be changed; see `injection`.
        client: Who sends it.
        trace: As `traces.trace_of`.
    """

    head: RequestHead
    method: str
    route: Route
    out: bytes
    is_allowed: bool
    may_inject: bool
    client: ClientKind
    trace: str


class Relay:
    """What all connections share. Made by `relaying`.

    Args:
        settings: All that it is told.
        meter: Where it finds its taps.
        tasks: Where connections to upstream are made.
    """

    def __init__(self, settings: RelaySettings, meter: Meter, tasks: asyncio.TaskGroup) -> None:
        self.settings = settings
        self.meter = meter
        self.pool: Pool[Upstream] = Pool(settings.timeouts.pooled)
        self._known = functools.lru_cache(http1.REMEMBERED)(self._understand)
        self._allows = functools.lru_cache(_REMEMBERED_HOSTS)(self._asks_allowed)
        self.in_flight = 0
        self.is_draining = False
        self._loop = asyncio.get_running_loop()
        self._tasks = tasks
        self._ticker = Ticker(self._loop, settings.timeouts.tick)
        self._clients: set[Client] = set()
        self._server: asyncio.Server | None = None
        self._has_finished = asyncio.Event()

    @property
    def connections(self) -> int:
        """Clients that are connected."""
        return len(self._clients)

    async def start(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket."""
        self._ticker.watch(self.pool)
        self._ticker.start()
        self._server = await self._loop.create_server(
            lambda: Client(self), sock=sock, backlog=_BACKLOG
        )

    async def drain(self, seconds: float) -> None:
        """Accept no more and let exchanges finish, for so long or until `hurry`; then cut."""
        self._stop_accepting()
        self.is_draining = True
        for client in tuple(self._clients):
            client.drain()
        self._note_emptiness()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_finished.wait()
        self.cut()

    def hurry(self) -> None:
        """Do not wait for exchanges any longer."""
        self._has_finished.set()

    def cut(self) -> None:
        """End everything now."""
        self._stop_accepting()
        for client in tuple(self._clients):
            client.cut_short()
        self.pool.close()
        self._ticker.stop()

    def understand(self, head: bytes) -> Incoming:
        """Read a request's head, with its empty line; a client sends the same one many times.

        Raises:
            BadHead: It is not to be passed on.
        """
        return self._known(head) if len(head) <= http1.MAX_REMEMBERED else self._understand(head)

    def _understand(self, block: bytes) -> Incoming:
        settings, head = self.settings, http1.parse_request(block)
        out = http1.request_bytes(
            head, settings.upstream.authority, preserve_host=settings.preserve_host
        )
        route = route_of(head.target.decode("latin-1"))
        is_allowed = head.host is None or self._allows(head.host)
        may_inject = settings.inject_usage and injection.may_apply(head, route)
        client = client_kind(head.fields.values(b"user-agent"))
        trace = trace_of(head.fields.values(b"traceparent"))
        method = head.method.decode("ascii")
        return Incoming(head, method, route, out, is_allowed, may_inject, client, trace)

    def _asks_allowed(self, host: bytes) -> bool:
        return self.settings.access.allows(host.decode("latin-1"))

    def admit(self, client: Client) -> bool:
        """Take a new connection; say whether it may send requests."""
        self._clients.add(client)
        self._ticker.watch(client)
        return len(self._clients) <= self.settings.limits.connections

    def is_flooded(self) -> bool:
        """Say whether even answers that say no cost too much now."""
        return len(self._clients) > self.settings.limits.connections + _MAX_REFUSED

    def forget(self, client: Client) -> None:
        """A client's connection is gone."""
        self._clients.discard(client)
        self._ticker.forget(client)
        self._note_emptiness()

    def connect(self, client: Client) -> asyncio.Task[None]:
        """Begin to connect to upstream for a client, who cancels the task when it leaves."""
        return self._tasks.create_task(self._connect(client))

    async def _connect(self, client: Client) -> None:
        address = self.settings.upstream
        limit = self.settings.timeouts.connect
        began = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                _, upstream = await self._loop.create_connection(
                    lambda: Upstream(self.pool), address.host, address.port, ssl=address.tls
                )
        except TimeoutError:
            client.not_connected(Ending.CONNECT_TIMEOUT, replies.silent(address.url, limit))
        except (OSError, UnicodeError) as error:
            # UnicodeError: a name that IDNA cannot write is no name.
            refusal = replies.unreachable(address.url, why(error))
            client.not_connected(Ending.UPSTREAM_REFUSED, refusal)
        else:
            client.connected(upstream)
            note_connection(self.meter, time.monotonic() - began)

    def cancel(self, exchange_id: int) -> bool:
        """End one exchange; say whether it ran."""
        for client in tuple(self._clients):
            if client.exchange_id == exchange_id:
                client.cancel()
                return True
        return False

    def _stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _note_emptiness(self) -> None:
        if self.is_draining and not self._clients:
            self._has_finished.set()


@contextlib.asynccontextmanager
async def relaying(
    settings: RelaySettings, meter: Meter, sock: socket.socket
) -> AsyncIterator[Relay]:
    """Run a relay on a bound socket; what still runs at the end is cut."""
    async with asyncio.TaskGroup() as tasks:
        relay = Relay(settings, meter, tasks)
        await relay.start(sock)
        try:
            yield relay
        finally:
            relay.cut()
