"""The terminal's page over a dashboard that is played."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from textual.widgets import DataTable, Static

from ollamon.cli.top.app import Top
from ollamon.cli.top.source import Source
from ollamon.errors import NotRunningError, OllamonError
from tests.cli.top.test_board import HISTORY, PANELS, tick

FLIGHTS = [
    {"id": 8, "model": "tiny", "client": "curl", "phase": "generating", "chunks": 12, "age_s": 3.5},
    {"id": 7, "model": "qwen3:8b", "client": "ollama", "phase": "waiting", "age_s": 61},
]


class Played(ThreadingHTTPServer):
    """Answers as a dashboard does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.status = 200
        self.answers: dict[str, object] = {
            "/api/panels": PANELS,
            "/api/metrics": tick(ttft={"a": 0.5}),
            "/api/history?range=15m": HISTORY,
            "/api/requests?limit=1": {"in_flight": FLIGHTS},
        }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(self.server.answers.get(self.path)).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def played() -> Iterator[Played]:
    with Played() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def status_of(app: Top) -> str:
    return str(app.query_one("#status", Static).content)


async def test_values_are_shown_and_renewed(played):
    source = Source(played.url)
    app = Top(source, source.first())
    async with app.run_test(size=(80, 30)) as pilot:
        assert status_of(app) == "Live"
        table = app.query_one("#series", DataTable)
        assert table.get_row_at(0)[2] == "500 ms"
        played.answers["/api/metrics"] = tick(20, ttft={"a": 1.5, "b": 3})
        app._ask()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert [table.get_row_at(row)[1:] for row in (0, 1)] == [["a", "1.50 s"], ["b", "3.00 s"]]
        flights = app.query_one("#flights", DataTable)
        assert [flights.get_row_at(row) for row in (0, 1)] == [
            ["qwen3:8b", "ollama", "waiting", "\u2013", "61.0 s"],
            ["tiny", "curl", "generating", "12", "3.50 s"],
        ]
        assert "over 2.00 s" in str(app.query_one("#tile-ttft .note").content)
        assert app.query_one("#tile-ttft").has_class("warn")


async def test_a_lost_dashboard_is_said_and_found_again(played):
    source = Source(played.url)
    app = Top(source, source.first())
    async with app.run_test(size=(80, 30)) as pilot:
        for status, text in ((503, "Connection lost"), (200, "Live")):
            played.status = status
            app._ask()
            await app.workers.wait_for_complete()
            await pilot.pause()
            assert status_of(app).startswith(text)


async def test_keys(played):
    source = Source(played.url)
    app = Top(source, source.first())
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.press("p")
        assert status_of(app) == "Live  paused"
        played.answers["/api/metrics"] = tick(20, ttft={"a": 9})
        app._ask()
        await app.workers.wait_for_complete()
        assert app.query_one("#series", DataTable).get_row_at(0)[2] == "500 ms"
        before = app.theme
        await pilot.press("t")
        assert app.theme != before
        await pilot.press("q")
    assert app.return_code == 0


def test_the_numbers_as_json(invoke, played):
    code, out, _ = invoke("top", "--url", played.url, "--json")
    assert code == 0
    assert json.loads(out)["tick"]["panels"] == {"ttft": {"a": 0.5}}


def test_top_wants_a_terminal(invoke, played):
    code, _, err = invoke("top", "--url", played.url)
    assert (code, err) == (1, "error: top needs a terminal; --json prints the numbers once\n")


def test_nobody_answers(invoke):
    code, out, _ = invoke("top", "--url", "http://127.0.0.1:1", "--json")
    assert code == 3
    assert (
        "no dashboard answers at http://127.0.0.1:1: connect" in json.loads(out)["error"]["message"]
    )


@pytest.mark.parametrize("body", [{}, [1], None, {"panels": {}}])
def test_another_server_is_recognised(played, body):
    played.answers["/api/panels"] = body
    if isinstance(body, list):
        played.answers["/api/metrics"] = {}
    with pytest.raises(OllamonError, match="is not a dashboard of ollamon"):
        Source(played.url).first()


def test_a_closed_port_is_not_running():
    with pytest.raises(NotRunningError, match="no dashboard answers"):
        Source("http://127.0.0.1:1").first()
