"""The page's routes and its socket, for any server."""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from flask import Flask, Response, render_template, request
from flask_socketio import SocketIO
from werkzeug.exceptions import HTTPException

from ollamon.access import TOKEN_FIELD, PageAccess, knows_token
from ollamon.config.model import Dashboard
from ollamon.dashboard import openapi, questions, view
from ollamon.dashboard.feed import Feed
from ollamon.dashboard.guard import Guard
from ollamon.dashboard.history.text import csv_of, history_csv
from ollamon.dashboard.journal import Journal
from ollamon.dashboard.questions import Stretch
from ollamon.errors import SourceError
from ollamon.metrics.panels import PANELS, Panel
from ollamon.metrics.requests import Outcome

MAX_MESSAGE = 16 * 1024
FIRST_TICK_S = 4.0
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class CompactJson:
    """JSON for Socket.IO; a tick has no NaN, and one that had must not leave."""

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        """Write without blanks."""
        return json.dumps(value, allow_nan=False, separators=(",", ":"))

    @staticmethod
    def loads(text: str | bytes, **_: object) -> object:
        """Read what a client sent."""
        return json.loads(text)


_SOCKET: Mapping[str, Any] = {
    "transports": ["websocket"],
    "max_http_buffer_size": MAX_MESSAGE,
    "manage_session": False,
    "json": CompactJson,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the page is told.

    Attributes:
        access: Who may come in.
        run_id: What all processes of one `up` share.
        token: Who knows it may cancel requests; the page does.
        is_demo: The values are made up, and the page says so.
        panels: What the page shows.
    """

    access: PageAccess
    run_id: str = ""
    token: str = ""
    version: str = ""
    is_demo: bool = False
    panels: tuple[Panel, ...] = PANELS
    max_sockets: int = Dashboard().max_clients


def create_app(
    settings: Settings,
    feed: Feed,
    journal: Journal,
    *,
    async_mode: Literal["gevent", "threading"],
) -> tuple[Flask, SocketIO]:
    """Return the application and its socket. Sockets carry ticks out and take nothing in."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_MESSAGE, TEMPLATES_AUTO_RELOAD=False)
    # The mode is named, or whatever happens to be installed is taken.
    socketio = SocketIO(app, async_mode=async_mode, **_SOCKET)
    _add_page(app, settings)
    _add_api(app, feed, settings.panels)
    _add_requests(app, journal, settings.token)
    app.after_request(_with_headers)
    app.register_error_handler(HTTPException, _explain)
    # Last, and so the outermost: Socket.IO has wrapped wsgi_app before.
    app.wsgi_app = Guard(  # type: ignore[method-assign]
        app.wsgi_app, settings.access, settings.run_id, settings.max_sockets
    )
    return app, socketio


def _add_page(app: Flask, settings: Settings) -> None:
    @app.get("/")
    def index() -> str:
        return render_template(
            "index.html",
            demo=settings.is_demo,
            version=settings.version,
            run_id=settings.run_id,
            token=settings.token,
            outcomes=[outcome.value for outcome in Outcome],
        )


def _add_api(app: Flask, feed: Feed, panels: tuple[Panel, ...]) -> None:
    ids = {panel.id for panel in panels}
    described = json.dumps([view.describe(panel) for panel in panels]).encode()

    @app.get("/api/metrics")
    def metrics() -> Response:
        tick = feed.tick(timeout_s=FIRST_TICK_S)
        return _json(tick) if tick else _error(503, "the first values are not here yet")

    @app.get("/api/panels")
    def declared() -> Response:
        return _json(described)

    @app.get("/api/openapi.json")
    def described_all() -> Response:
        return _json(openapi.document().encode())

    @app.get("/api/history")
    def history() -> Response:
        try:
            wanted = questions.stretch_of(request.args, ids)
        except ValueError as error:
            return _error(400, str(error))
        if wanted == Stretch(wanted.range):
            return _packed(feed.history(wanted.range))
        found = (
            json.loads(gzip.decompress(feed.history(wanted.range)))
            if wanted.range
            else feed.stretch(wanted.start, wanted.end)
        )
        chosen = view.chosen(found, panels, wanted.panel, wanted.model)
        if wanted.format == "csv":
            return _file(history_csv(chosen), "text/csv; charset=utf-8", "ollamon-history.csv")
        return _packed(gzip.compress(_dumped(chosen), compresslevel=5))

    @app.get("/healthz")
    def healthy() -> Response:
        return _json(b'{"ok":true}')

    @app.get("/readyz")
    def ready() -> Response:
        if feed.tick():
            return _json(b'{"ready":true}')
        return _json(b'{"ready":false}', HTTPStatus.SERVICE_UNAVAILABLE)


def _add_requests(app: Flask, journal: Journal, token: str) -> None:
    @app.post("/api/requests/<int:request_id>/cancel")
    def cancel(request_id: int) -> Response:
        if not knows_token(request.headers.get(TOKEN_FIELD), token):
            return _error(403, f"{TOKEN_FIELD} is not that of this run: reload the page")
        try:
            status, body = journal.cancel(request_id, token)
        except SourceError as error:
            return _error(502, str(error))
        return _json(body, status)

    @app.get("/api/requests")
    def requests() -> Response:
        try:
            wanted, form = questions.wanted_of(request.args)
        except ValueError as error:
            return _error(400, str(error))
        records = journal.page(wanted)
        if form == "csv":
            return _file(csv_of(records), "text/csv; charset=utf-8", "ollamon-requests.csv")
        is_full = len(records) == wanted.limit
        document = {
            "v": view.VERSION,
            "requests": [record._asdict() for record in records],
            "in_flight": journal.running,
            # What to ask for as `before`, when there may be more.
            "next": records[-1].seq if is_full else None,
        }
        return _json(_dumped(document))


def _dumped(document: object) -> bytes:
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def _file(text: str, content_type: str, name: str) -> Response:
    response = Response(text, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type="application/json")


def _error(status: int, message: str) -> Response:
    return _json(json.dumps({"error": message}).encode(), status)


def _packed(body: bytes) -> Response:
    """Gzipped already; unpacked for the few that cannot read it."""
    response = _json(body)
    response.headers["Vary"] = "Accept-Encoding"
    # The same bytes until the next tick, or step of a long range: who has them is told 304.
    response.set_etag(hashlib.sha256(body).hexdigest()[:32], weak=True)
    response.headers["Cache-Control"] = "no-cache"
    if request.accept_encodings["gzip"]:
        response.headers["Content-Encoding"] = "gzip"
    else:
        response.set_data(gzip.decompress(body))
    response.make_conditional(request)
    return response


def _explain(error: HTTPException) -> Response:
    return _error(error.code or 500, f"{request.path}: {error.name.lower()}")


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    # Files carry an ETag: a browser asks each time and is told 304, so an upgrade is seen at once.
    fallback = "no-cache" if request.endpoint == "static" else "no-store"
    if "ETag" not in response.headers or request.endpoint == "static":
        response.headers["Cache-Control"] = fallback
    return response
