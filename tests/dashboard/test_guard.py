import json

import pytest

from ollamon.access import PageAccess
from ollamon.dashboard.guard import Guard

OURS = "localhost:3001"


class Called:
    """A WSGI application, and what it saw."""

    def __init__(self) -> None:
        self.environ = {}

    def __call__(self, environ, start_response):
        self.environ = environ
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"page"]


def ask(guard: Guard, path: str, **environ: str) -> tuple[str, dict[str, str], bytes]:
    seen = {}

    def start_response(status, headers):
        seen.update(status=status, headers=dict(headers))

    body = b"".join(guard({"PATH_INFO": path} | environ, start_response))
    return seen["status"], seen["headers"], body


@pytest.fixture
def app() -> Called:
    return Called()


@pytest.fixture
def guard(app) -> Guard:
    return Guard(app, PageAccess.of(3001, ["box"]), "cafe0001", max_sockets=1)


@pytest.mark.parametrize(
    ("path", "environ", "status"),
    [
        ("/", {"HTTP_HOST": OURS}, 200),
        ("/", {"HTTP_HOST": "BOX:3001"}, 200),
        ("/", {"HTTP_HOST": "127.0.0.1:3001", "HTTP_SEC_FETCH_SITE": "cross-site"}, 200),
        ("/", {"HTTP_HOST": "evil.example:3001"}, 403),
        ("/", {"HTTP_HOST": "localhost"}, 403),
        ("/", {}, 403),
        ("/", {"HTTP_HOST": OURS, "HTTP_ORIGIN": "http://evil.example"}, 403),
        ("/static/main.js", {"HTTP_HOST": "evil.example"}, 403),
        ("/healthz", {"HTTP_HOST": "evil.example"}, 403),
        ("/api/metrics", {"HTTP_HOST": OURS}, 200),
        ("/api/metrics", {"HTTP_HOST": OURS, "HTTP_SEC_FETCH_SITE": "same-origin"}, 200),
        ("/api/metrics", {"HTTP_HOST": OURS, "HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
        ("/api/metrics", {"HTTP_HOST": OURS, "HTTP_ORIGIN": "http://evil.example"}, 403),
        ("/api/metrics", {"HTTP_HOST": OURS, "HTTP_ORIGIN": "null"}, 403),
        ("/socket.io/", {"HTTP_HOST": OURS, "HTTP_ORIGIN": f"http://{OURS}"}, 200),
        ("/socket.io/", {"HTTP_HOST": OURS, "HTTP_ORIGIN": "http://evil.example"}, 403),
        (
            "/socket.io/",
            {"HTTP_HOST": "evil.example:3001", "HTTP_ORIGIN": "http://evil.example:3001"},
            403,
        ),
    ],
    ids=[
        "the page",
        "a configured name",
        "a link from elsewhere",
        "a foreign host",
        "another port",
        "no host",
        "the page for a foreign origin",
        "a file for a foreign host",
        "a probe for a foreign host",
        "the API",
        "our own page",
        "another site",
        "a foreign origin",
        "a sandboxed page",
        "our own socket",
        "a foreign socket",
        "a rebound name",
    ],
)
def test_who_may_come_in(guard, app, path, environ, status):
    answer, headers, body = ask(guard, path, **environ)
    assert int(answer.split()[0]) == status
    assert headers["X-Ollamon-Run"] == "cafe0001"
    assert bool(app.environ) is (status == 200)
    if status == 403:
        assert json.loads(body) == {"error": "this Host or Origin may not come in"}


def test_a_socket_beyond_the_limit_is_refused_until_one_leaves(guard, app):
    inner = []

    def while_one_is_open(environ, start_response):
        inner.append(ask(guard, "/socket.io/", HTTP_HOST=OURS)[0])
        return app(environ, start_response)

    guard._app = while_one_is_open
    assert ask(guard, "/socket.io/", HTTP_HOST=OURS)[0] == "200 OK"
    assert inner == ["503 Service Unavailable"]
    assert guard.sockets == 0


def test_a_failing_socket_gives_its_place_back(guard):
    def fail(environ, start_response):
        raise ConnectionError

    guard._app = fail
    with pytest.raises(ConnectionError):
        ask(guard, "/socket.io/", HTTP_HOST=OURS)
    assert guard.sockets == 0


def test_sockets_are_not_deflated(guard, app):
    ask(guard, "/socket.io/", HTTP_HOST=OURS, HTTP_SEC_WEBSOCKET_EXTENSIONS="permessage-deflate")
    assert "HTTP_SEC_WEBSOCKET_EXTENSIONS" not in app.environ
