"""A small server in the dashboard's place: the real page, and whatever a scene says.

It can do what the real one does rarely or never: refuse WebSockets, say goodbye, vanish and come
back on the same port, send a tick when told to.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import socketio
from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from tests.dashboard.browser.scenes import PANELS, Json, Scene

DASHBOARD = Path(__file__).parents[3] / "ollamon" / "dashboard"
CSP = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
TOKEN = "of this run"
WAIT_S = 20.0
Answer = TypeVar("Answer")


class StandIn:
    """Serves one scene at a time.

    Attributes:
        requests: Paths that were asked for.
        refuses_sockets: Answer every WebSocket with 403.
        is_ready: Else the API answers 503.
        cancelled: Id and token of each request that shall be cancelled.
        refusal: Status and words instead of cancelling.
    """

    def __init__(self, scene: Scene, *, is_demo: bool = False) -> None:
        self.scene = scene
        self.is_demo = is_demo
        self.refuses_sockets = False
        self.is_ready = True
        self.requests: list[str] = []
        self.cancelled: list[tuple[str, str]] = []
        self.refusal: tuple[int, str] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._handlers: list[web.RequestHandler] = []
        self._sockets: socketio.AsyncServer | None = None
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def has_listener(self) -> bool:
        """A page has connected, and gets what is pushed from now on."""
        rooms = self._sockets.manager.rooms.get("/", {}) if self._sockets else {}
        return bool(rooms.get(None))

    def start(self) -> None:
        """Listen, again on the same port."""
        self._do(self._start())

    def stop(self) -> None:
        """Close every connection and stop listening."""
        self._do(self._stop())

    def close(self) -> None:
        """End for good."""
        self.stop()
        self._do(self._cancel_rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()

    def push(self) -> None:
        """Go on by one tick and send it."""
        self._do(self._emit("tick", self.scene.step()))

    def tell(self, *requests: Json) -> None:
        """Say which requests ended now, and which run."""
        news = {"v": 1, "requests": list(requests), "in_flight": self.scene.in_flight}
        self._do(self._emit("requests", news))

    def say_goodbye(self) -> None:
        """As a dashboard that stops."""
        self._do(self._emit("bye", {}))

    def show(self, scene: Scene) -> None:
        """Take another scene, from its next tick on."""
        self.scene = scene
        self.push()

    def _do(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _emit(self, event: str, data: object) -> None:
        assert self._sockets is not None
        await self._sockets.emit(event, data)

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._watch])
        self._sockets = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"])
        self._sockets.attach(app)
        app.router.add_get("/", self._page)
        app.router.add_get("/api/metrics", self._metrics)
        app.router.add_get("/api/panels", self._panels)
        app.router.add_get("/api/history", self._history)
        app.router.add_get("/api/requests", self._requests)
        app.router.add_post("/api/requests/{id}/cancel", self._cancel)
        app.router.add_static("/static", DASHBOARD / "static")
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        self._server = await self._loop.create_server(
            self._new_handler, "127.0.0.1", self.port, reuse_address=True
        )

    async def _stop(self) -> None:
        if self._runner is None or self._sockets is None or self._server is None:
            return
        runner, self._runner = self._runner, None
        self._server.close()
        await self._sockets.shutdown()
        await runner.cleanup()
        await self._abort_rest()

    def _new_handler(self) -> web.RequestHandler:
        assert self._runner is not None
        assert self._runner.server is not None
        self._handlers.append(self._runner.server())
        return self._handlers[-1]

    async def _abort_rest(self) -> None:
        # One that was accepted just before the end is known to nobody else.
        await asyncio.sleep(0)
        for handler in self._handlers:
            if handler.transport is not None:
                handler.transport.abort()
        self._handlers.clear()

    async def _cancel_rest(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(request.path_qs)
        if request.path.startswith("/socket.io") and self.refuses_sockets:
            raise web.HTTPForbidden
        if request.path.startswith("/api") and not self.is_ready:
            raise web.HTTPServiceUnavailable
        response: web.StreamResponse = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = CSP
            response.headers["Cache-Control"] = "no-store"
        return response

    async def _page(self, _: web.Request) -> web.Response:
        pages = Environment(loader=FileSystemLoader(DASHBOARD / "templates"), autoescape=True)
        text = pages.get_template("index.html").render(
            demo=self.is_demo,
            version="0.1.0",
            run_id="test",
            token=TOKEN,
            outcomes=["ok", "client_abort", "upstream_error"],
        )
        return web.Response(text=text, content_type="text/html")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.json_response(self.scene.tick())

    async def _panels(self, _: web.Request) -> web.Response:
        return web.json_response(PANELS)

    async def _requests(self, request: web.Request) -> web.Response:
        """Model, outcome and page; what else can be asked is the real server's matter."""
        query = request.query
        rows = [
            row
            for row in reversed(self.scene.requests)
            if row["model"] == query.get("model", row["model"])
            and row["outcome"] == query.get("outcome", row["outcome"])
            and query.get("q", "") in str(row)
            and row["seq"] < int(query.get("before", 10**9))
        ]
        found = rows[: int(query.get("limit", 100))]
        more = found[-1]["seq"] if len(found) < len(rows) else None
        document = {"requests": found, "in_flight": self.scene.in_flight, "next": more}
        return web.json_response({"v": 1, **document})

    async def _cancel(self, request: web.Request) -> web.Response:
        self.cancelled.append((request.match_info["id"], request.headers["X-Ollamon-Token"]))
        if self.refusal:
            return web.json_response({"error": self.refusal[1]}, status=self.refusal[0])
        return web.json_response({"cancelled": True})

    async def _history(self, request: web.Request) -> web.Response:
        query = request.query
        if "from" in query:
            return web.json_response(self.scene.stretch(int(query["from"]), int(query["to"])))
        return web.json_response(self.scene.history(query.get("range", "15m")))
