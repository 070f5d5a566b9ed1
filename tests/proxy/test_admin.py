import asyncio
import contextlib
import gzip
import http.client
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ollamon.access import PageAccess
from ollamon.metrics import catalog
from ollamon.metrics.instruments import Instruments
from ollamon.proxy import admin
from ollamon.proxy.own import show_own_process
from ollamon.proxy.recorder import Recorder
from ollamon.proxy.routes import route_of
from ollamon.proxy.tap import Ending
from ollamon.proxy.upstream_state import UpstreamKind, UpstreamState

# What Prometheus 2.42 and 3 ask for.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Server:
    """An admin server and what it shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.instruments = Instruments(self.registry)
        show_own_process(self.instruments.board)
        self.recorder = Recorder(self.instruments, max_models=25, recent=100)
        self.upstream = UpstreamState()
        self.is_draining = False
        self.port = 0
        self.token = "open sesame"
        self.running: set[int] = {7}

    def _cancel(self, request_id: int) -> bool:
        is_running = request_id in self.running
        self.running.discard(request_id)
        return is_running

    @contextlib.asynccontextmanager
    async def running_server(self) -> AsyncIterator["Server"]:
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        view = admin.AdminView(
            self.registry,
            self.recorder,
            "cafe0123",
            PageAccess.of(self.port),
            lambda: self.is_draining,
            lambda: self.upstream,
            self._cancel,
            self.token,
        )
        runner = await admin.start(sock, view)
        try:
            yield self
        finally:
            await runner.cleanup()

    async def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        return await asyncio.to_thread(self._ask, path, method, body, headers)

    def _ask(self, path: str, method: str, body: bytes | None, headers: dict[str, str]):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        ) as connection:
            connection.request(method, path, body=body, headers=fields)
            response = connection.getresponse()
            return response, response.read()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server().running_server() as made:
        yield made


def one_request(recorder: Recorder, target: str = "/api/tags") -> None:
    recorder.began("GET", route_of(target), 1.0).ended(Ending.COMPLETE, 200, 2.0)


async def test_metrics_are_plain_text_unless_openmetrics_is_asked_for(server):
    response, body = await server.ask("/metrics")
    assert response.status == 200
    assert response.headers.get_all("Content-Type") == [TEXT]
    assert "ollama_proxy_requests_accepted" in {family.name for family in parse_text(body.decode())}


async def test_prometheus_2_gets_openmetrics_that_is_valid(server):
    one_request(server.recorder)
    response, body = await server.ask("/metrics", Accept=PROMETHEUS_2)
    assert response.headers.get_all("Content-Type") == [OPENMETRICS]
    assert body.endswith(b"# EOF\n")
    assert list(parse_openmetrics(body.decode()))


async def test_prometheus_3_gets_openmetrics_that_is_valid(server):
    response, body = await server.ask("/metrics", Accept=PROMETHEUS_3)
    assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1")
    assert list(parse_openmetrics(body.decode()))


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", "application/openmetrics-text;version=x", "text/plain;;="]
)
async def test_any_accept_gets_an_exposition(server, accept):
    response, body = await server.ask("/metrics", Accept=accept)
    assert response.status == 200
    assert b"# TYPE ollama_proxy_requests_total counter" in body


async def test_a_scrape_may_be_packed(server):
    response, body = await server.ask("/metrics", Accept_Encoding="deflate, gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert list(parse_text(gzip.decompress(body).decode()))


async def test_head_has_the_length_and_no_body(server):
    response, body = await server.ask("/metrics", method="HEAD")
    assert response.status == 200
    assert body == b""
    assert int(response.headers["Content-Length"]) > 1000


async def test_a_rendering_is_used_for_a_second(server):
    now = 0.0
    exposition = admin.Exposition(server.registry, lambda: now)
    first = await exposition.answer("", "")
    one_request(server.recorder)
    now = 0.9
    second = await exposition.answer("", "")
    now = 1.0
    third = await exposition.answer("", "")
    assert first.body == second.body
    assert b"ollama_proxy_requests_accepted_total 1.0" in third.body


async def test_own_process_and_build_are_shown(server):
    _, body = await server.ask("/metrics")
    samples = {
        sample.name: sample for family in parse_text(body.decode()) for sample in family.samples
    }
    assert samples[catalog.PROCESS_MEMORY.name].value > 1e6
    assert samples[catalog.PROCESS_CPU.name].value > 0
    assert samples[catalog.PROCESS_FDS.name].value > 3
    assert samples[catalog.PROCESS_MAX_FDS.name].value > 3
    assert samples[catalog.PROCESS_START.name].value > 1.6e9
    assert set(samples[catalog.BUILD_INFO.name].labels) == {"version", "python"}


async def test_promtool_reads_it_and_dislikes_no_name_of_ours(server):
    one_request(server.recorder)
    _, body = await server.ask("/metrics")
    check = await asyncio.create_subprocess_exec(
        *("promtool", "check", "metrics"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await check.communicate(body)
    complaints = (out + err).decode().splitlines()
    assert complaints == []


@pytest.mark.parametrize("path", ["/healthz", "/livez"])
async def test_it_is_alive(server, path):
    server.upstream = UpstreamState(UpstreamKind.DOWN, "gone")
    response, body = await server.ask(path)
    assert (response.status, body) == (200, b"ok\n")


@pytest.mark.parametrize(
    ("state", "is_draining", "status"),
    [
        (UpstreamState(), False, 200),
        (UpstreamState(UpstreamKind.UP, version="0.33.0"), False, 200),
        (UpstreamState(UpstreamKind.NOT_OLLAMA, "is no Ollama"), False, 200),
        (UpstreamState(UpstreamKind.DOWN, "connection refused"), False, 503),
        (UpstreamState(UpstreamKind.UP), True, 503),
    ],
    ids=["unknown", "up", "not-ollama", "down", "draining"],
)
async def test_it_is_ready_when_upstream_can_be_used(server, state, is_draining, status):
    server.upstream, server.is_draining = state, is_draining
    response, body = await server.ask("/readyz")
    assert response.status == status
    assert json.loads(body) == {
        "ready": status == 200,
        "draining": is_draining,
        "upstream": state.kind.value,
        "reason": state.reason,
        "version": state.version,
    }


async def test_recent_and_running_requests_are_shown(server):
    one_request(server.recorder)
    tap = server.recorder.began("POST", route_of("/api/chat"), 1.0)
    _, recent = await server.ask("/api/requests")
    _, running = await server.ask("/api/inflight")
    tap.ended(Ending.CLIENT_GONE, None, 2.0)
    (record,) = json.loads(recent)["requests"]
    assert (record["endpoint"], record["status"], record["outcome"]) == ("/api/tags", "200", "ok")
    (request,) = json.loads(running)["requests"]
    assert (request["endpoint"], request["phase"]) == ("/api/chat", "receiving")


async def test_rows_are_asked_for_by_number(server):
    for _ in range(7):
        one_request(server.recorder)
    start = server.recorder.ring.start

    async def seqs(query: str) -> list[int]:
        _, body = await server.ask(f"/api/requests{query}")
        return [record["seq"] - start for record in json.loads(body)["requests"]]

    assert await seqs("") == [1, 2, 3, 4, 5, 6, 7]
    assert await seqs("?limit=2") == [6, 7]
    assert await seqs(f"?since={start + 3}&limit=3") == [4, 5, 6]
    assert await seqs(f"?since={start + 7}") == []
    assert await seqs("?since=0") == [1, 2, 3, 4, 5, 6, 7]


async def test_rows_come_with_what_is_needed_to_see_a_loss(server):
    for _ in range(110):
        one_request(server.recorder)
    tap = server.recorder.began("POST", route_of("/api/chat"), 1.0)
    _, body = await server.ask("/api/requests?limit=0")
    told = json.loads(body)
    tap.ended(Ending.CLIENT_GONE, None, 2.0)
    start = server.recorder.ring.start
    assert (told["start"], told["first"], told["last"]) == (start, start + 11, start + 110)
    assert (told["requests"], len(told["in_flight"])) == ([], 1)


@pytest.mark.parametrize(
    "query", ["since=x", "since=-1", "since=", "since=1e3", "limit=1001", "limit=" + "9" * 30]
)
async def test_a_bad_question_is_explained(server, query):
    response, body = await server.ask(f"/api/requests?{query}")
    assert response.status == 400
    assert json.loads(body)["error"].startswith(query.partition("=")[0] + ": ")


async def test_who_knows_the_token_may_cancel(server):
    answers = [
        await server.ask("/api/requests/7/cancel", "POST", X_Ollamon_Token="open sesame")
        for _ in range(2)
    ]
    assert [answer.status for answer, _ in answers] == [200, 404]
    assert json.loads(answers[0][1]) == {"cancelled": True}
    assert server.running == set()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"X_Ollamon_Token": ""},
        {"X_Ollamon_Token": "open sesam"},
        {"X_Ollamon_Token": "caf\xe9"},
        {"X_Ollamon_Token": "open sesame", "Origin": "http://evil.example"},
        {"X_Ollamon_Token": "open sesame", "Host": "evil.example"},
        {"X_Ollamon_Token": "open sesame", "Sec_Fetch_Site": "cross-site"},
    ],
)
async def test_nobody_else_may_cancel(server, fields):
    response, _ = await server.ask("/api/requests/7/cancel", "POST", **fields)
    assert response.status == 403
    assert server.running == {7}


async def test_without_a_token_nobody_may_cancel():
    server = Server()
    server.token = ""
    async with server.running_server() as server:
        response, _ = await server.ask("/api/requests/7/cancel", "POST", X_Ollamon_Token="")
        assert response.status == 403


@pytest.mark.parametrize("path", ["x", "-1", "7/more", "9" * 19, ""])
async def test_what_is_no_id_is_not_found(server, path):
    response, _ = await server.ask(
        f"/api/requests/{path}/cancel", "POST", X_Ollamon_Token="open sesame"
    )
    assert response.status == 404


async def test_a_get_cancels_nothing(server):
    response, _ = await server.ask("/api/requests/7/cancel", X_Ollamon_Token="open sesame")
    assert (response.status, server.running) == (405, {7})


HOST_AND_ORIGIN: list[tuple[str, Callable[[int], dict[str, str]], int]] = [
    ("localhost", lambda port: {"Host": f"localhost:{port}"}, 200),
    ("ip6", lambda port: {"Host": f"[::1]:{port}"}, 200),
    ("foreign-host", lambda port: {"Host": f"evil.example.com:{port}"}, 403),
    ("other-port", lambda port: {"Host": f"localhost:{port + 1}"}, 403),
    ("no-port", lambda _: {"Host": "localhost"}, 403),
    ("empty-host", lambda _: {"Host": ""}, 403),
    ("own-origin", lambda port: {"Origin": f"http://localhost:{port}"}, 200),
    ("foreign-origin", lambda _: {"Origin": "http://evil.example.com"}, 403),
    ("null-origin", lambda _: {"Origin": "null"}, 403),
    ("cross-site", lambda _: {"Sec_Fetch_Site": "cross-site"}, 403),
    ("same-site", lambda _: {"Sec_Fetch_Site": "same-site"}, 403),
    ("typed", lambda _: {"Sec_Fetch_Site": "none"}, 200),
]


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/api/requests", "/nowhere"])
@pytest.mark.parametrize(
    ("fields", "status"),
    [case[1:] for case in HOST_AND_ORIGIN],
    ids=[case[0] for case in HOST_AND_ORIGIN],
)
async def test_only_local_pages_and_tools_come_in(server, path, fields, status):
    response, body = await server.ask(path, **fields(server.port))
    expected = 404 if status == 200 and path == "/nowhere" else status
    assert response.status == expected
    if status == 403:
        assert json.loads(body)["error"].startswith("forbidden")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/metrics", 200), ("GET", "/x", 404), ("POST", "/metrics", 405), ("GET", "/%00", 404)],
)
async def test_every_answer_carries_the_run_and_may_not_be_kept(server, method, path, status):
    response, _ = await server.ask(path, method=method)
    assert response.status == status
    assert response.headers["X-Ollamon-Run"] == "cafe0123"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in response.headers


async def test_a_refused_method_names_those_that_are_allowed(server):
    response, body = await server.ask("/metrics", method="DELETE")
    assert response.headers["Allow"] == "GET,HEAD"
    assert json.loads(body) == {"error": "Method Not Allowed"}


async def test_a_large_body_is_refused_unread(server):
    response, _ = await server.ask("/livez", body=b"x" * (admin.MAX_BODY + 1))
    assert response.status == 413
    assert response.headers["Connection"] == "close"


async def test_any_number_of_formats_is_kept_bounded(server):
    exposition = admin.Exposition(server.registry)
    for version in range(1, 50):
        await exposition.answer(f"application/openmetrics-text;version={version}.0.0", "")
    assert len(exposition._rendered) <= 8


async def test_many_scrapers_at_once_render_once(server, monkeypatch):
    renderings = 0
    render = admin.Exposition._render

    def counted(self: admin.Exposition, encode: Callable[..., bytes]) -> tuple[bytes, bytes]:
        nonlocal renderings
        renderings += 1
        return render(self, encode)

    monkeypatch.setattr(admin.Exposition, "_render", counted)
    exposition = admin.Exposition(server.registry, lambda: 0.0)
    answers = await asyncio.gather(*(exposition.answer("", "") for _ in range(50)))
    assert renderings == 1
    assert len({answer.body for answer in answers}) == 1
