"""The admin server on :8001: /metrics, health, and what was and is going on.

A scrape renders in a thread and its result is used for a second, so that no number of scrapers can
delay a relayed byte. Rows of requests are made into JSON in a thread too.
"""

import asyncio
import gzip
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import CollectorRegistry

from ollamon.access import TOKEN_FIELD, PageAccess, knows_token
from ollamon.proxy.recorder import Recorder
from ollamon.proxy.upstream_state import UpstreamState

MAX_BODY = 16 * 1024
FRESH_S = 1.0
# The default, 5 ms, is what a thread that renders may take from the event loop at once.
_SWITCH_INTERVAL_S = 0.0001
# A client may name any version of the text format; each is an entry of its own.
_MAX_RENDERINGS = 8
_PLAIN = "text/plain"
MAX_ROWS = 1000
_ROWS = 200

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class AdminView:
    """What the admin server shows.

    Attributes:
        cancel: Ends the request of that id; says whether it ran.
        token: Who knows it may cancel; "" lets nobody.
    """

    registry: CollectorRegistry
    recorder: Recorder
    run_id: str
    access: PageAccess
    is_draining: Callable[[], bool]
    upstream: Callable[[], UpstreamState]
    cancel: Callable[[int], bool]
    token: str


async def start(sock: socket.socket, view: AdminView) -> web.AppRunner:
    """Serve on a bound socket; await the runner's `cleanup()` to stop."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    runner = web.AppRunner(create_app(view), access_log=None, handle_signals=False)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    return runner


def create_app(view: AdminView) -> web.Application:
    """Return the application."""
    exposition = Exposition(view.registry)

    async def metrics(request: web.Request) -> web.Response:
        return await exposition.answer(
            request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", "")
        )

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        return _ready(view)

    async def recent(request: web.Request) -> web.Response:
        limit = _number(request, "limit", _ROWS)
        if limit > MAX_ROWS:
            return _error(400, f"limit: at most {MAX_ROWS}")
        since = _number(request, "since", view.recorder.ring.last - limit)
        return await _requests(view.recorder, since, limit)

    async def in_flight(_: web.Request) -> web.Response:
        return _json({"requests": [asdict(request) for request in view.recorder.in_flight()]})

    async def cancel(request: web.Request) -> web.Response:
        return _cancel(view, request)

    app = web.Application(middlewares=[_guard(view.access)], client_max_size=MAX_BODY)
    app.on_response_prepare.append(_headers(view.run_id))
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/livez", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/api/requests", recent)
    app.router.add_get("/api/inflight", in_flight)
    app.router.add_post(r"/api/requests/{id:\d{1,18}}/cancel", cancel)
    return app


class Exposition:
    """The registry as text, rendered at most once a second in each format."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._rendered: dict[str, tuple[float, bytes, bytes]] = {}
        self._lock = asyncio.Lock()

    async def answer(self, accept: str, accept_encoding: str) -> web.Response:
        """Return the text in the format and coding that a scraper accepts."""
        try:
            encode, content_type = choose_encoder(accept)
        except (ValueError, TypeError):
            # A version that is no number.
            encode, content_type = choose_encoder(_PLAIN)
        plain, packed = await self._fresh(encode, content_type)
        is_packed = gzip_accepted(accept_encoding)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=packed if is_packed else plain, headers=headers)

    async def _fresh(
        self, encode: Callable[[CollectorRegistry], bytes], content_type: str
    ) -> tuple[bytes, bytes]:
        async with self._lock:
            at, plain, packed = self._rendered.get(content_type, (-FRESH_S, b"", b""))
            if not plain or self._clock() - at >= FRESH_S:
                at = self._clock()
                plain, packed = await asyncio.to_thread(self._render, encode)
                if len(self._rendered) >= _MAX_RENDERINGS:
                    self._rendered.clear()
                self._rendered[content_type] = (at, plain, packed)
            return plain, packed

    def _render(self, encode: Callable[[CollectorRegistry], bytes]) -> tuple[bytes, bytes]:
        text = encode(self._registry)
        return text, gzip.compress(text, compresslevel=1)


def _cancel(view: AdminView, request: web.Request) -> web.Response:
    if not knows_token(request.headers.get(TOKEN_FIELD), view.token):
        return _error(403, f"forbidden: {TOKEN_FIELD} is not that of this run")
    if not view.cancel(int(request.match_info["id"])):
        return _error(404, "no request of this id is in flight")
    return _json({"cancelled": True})


def _number(request: web.Request, name: str, default: int) -> int:
    """Return a whole number of the query. Raises HTTPBadRequest: it is none."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise web.HTTPBadRequest(reason=f"{name}: expected a whole number")
    return int(text)


async def _requests(recorder: Recorder, since: int, limit: int) -> web.Response:
    """Answer with the requests that ended after `since`, oldest first, and those that run."""
    ring = recorder.ring
    rows = ring.since(since, limit)
    document = {
        "v": 1,
        "start": ring.start,
        "first": ring.first,
        "last": ring.last,
        "in_flight": [asdict(request) for request in recorder.in_flight()],
    }

    def render() -> str:
        records = [record._asdict() for record in rows.records()]
        return json.dumps({**document, "requests": records}, allow_nan=False)

    return web.json_response(text=await asyncio.to_thread(render))


def _ready(view: AdminView) -> web.Response:
    state = view.upstream()
    is_draining = view.is_draining()
    is_ready = state.is_usable and not is_draining
    return _json(
        {
            "ready": is_ready,
            "draining": is_draining,
            "upstream": state.kind.value,
            "reason": state.reason,
            "version": state.version,
        },
        status=200 if is_ready else 503,
    )


def _guard(access: PageAccess) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        hosts = headers.getall("Host", [])
        is_allowed = len(hosts) == 1 and access.allows(
            hosts[0], headers.get("Origin"), headers.get("Sec-Fetch-Site")
        )
        if not is_allowed:
            return _error(403, "forbidden: this address answers its own pages and local tools only")
        if (request.content_length or 0) > MAX_BODY:
            return _error(413, f"the body has more than {MAX_BODY} bytes")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _error(error.status, error.reason, _allow(error))

    return guard


def _allow(error: web.HTTPException) -> Iterable[tuple[str, str]]:
    return [("Allow", error.headers["Allow"])] if "Allow" in error.headers else []


def _headers(run_id: str) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def prepare(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Ollamon-Run"] = run_id
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.popall("Server", None)

    return prepare


def _error(status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> web.Response:
    response = _json({"error": text}, status=status)
    response.headers.extend(headers)
    if status in (403, 413):
        # Whatever body follows is not read.
        response.force_close()
    return response


def _json(document: object, *, status: int = 200) -> web.Response:
    return web.json_response(
        document, status=status, dumps=lambda value: json.dumps(value, allow_nan=False)
    )
