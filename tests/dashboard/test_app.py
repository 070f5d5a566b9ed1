import gzip
import json

import pytest
from flask import Flask
from flask_socketio import SocketIO
from jinja2 import DictLoader

from ollamon.access import PageAccess
from ollamon.dashboard import app as module
from ollamon.dashboard.app import Settings, create_app
from ollamon.dashboard.feed import Feed, Sources
from ollamon.dashboard.history import requests
from ollamon.dashboard.history.file import HistoryFile
from ollamon.dashboard.history.log import RequestLog, Retention
from ollamon.dashboard.journal import Journal
from tests.dashboard.history.made import record
from tests.dashboard.test_feed import PLAN, FakeOwn

HOST = "localhost:3001"
TEMPLATE = (
    "<meta content={{ token }}>"
    "<body data-demo={{ demo }} data-run={{ run_id }}>{{ version }}</body>"
)


@pytest.fixture
def feed() -> Feed:
    return Feed(Sources(FakeOwn(1.0)), PLAN, clock=lambda: 1000.0)


@pytest.fixture
def journal() -> Journal:
    log = RequestLog(HistoryFile(None, requests.create), Retention(1e12, 1000))
    log.add([record(seq) for seq in range(1, 6)], 0.0)
    log.add([record(6, model="=tiny", outcome="timeout")], 0.0)
    made = Journal("http://127.0.0.1:9", log, in_thread=lambda work: work())
    made.running = [{"id": 9, "phase": "queued"}]
    return made


@pytest.fixture
def made(feed, journal) -> tuple[Flask, SocketIO]:
    settings = Settings(PageAccess.of(3001), "cafe0001", "secret", "1.2.3", is_demo=True)
    app, socketio = create_app(settings, feed, journal, async_mode="threading")
    app.jinja_loader = DictLoader({"index.html": TEMPLATE})
    return app, socketio


@pytest.fixture
def get(made):
    client = made[0].test_client()

    def ask(path: str, **headers: str):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.get(path, headers={"Host": HOST} | names)

    return ask


def test_the_page_knows_demo_version_and_run(get):
    answer = get("/")
    assert answer.text == "<meta content=secret><body data-demo=True data-run=cafe0001>1.2.3</body>"
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_answer_carries_the_same_protection(get):
    for path in ("/", "/api/panels", "/nothing"):
        headers = get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self'; img-src 'self'")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Ollamon-Run"] == "cafe0001"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Set-Cookie" not in headers


def test_the_last_tick(get, feed):
    tick = feed.turn()
    answer = get("/api/metrics")
    assert answer.json == tick
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_no_tick_yet(get, monkeypatch):
    monkeypatch.setattr(module, "FIRST_TICK_S", 0)
    answer = get("/api/metrics")
    assert (answer.status_code, answer.json) == (
        503,
        {"error": "the first values are not here yet"},
    )


def test_the_panels(get):
    panels = get("/api/panels").json
    gpu = next(panel for panel in panels if panel["id"] == "gpu")
    assert gpu["promql"] == "ollama_proxy_gpu_active_residency_percent"
    keys = {"id", "title", "unit", "section", "kind", "total", "help", "promql", "tile", "short"}
    assert all(panel.keys() == keys | {"thresholds"} for panel in panels)


@pytest.mark.parametrize("query", ["", "?range=5m", "?range=1h"])
def test_a_history_is_packed_for_who_can_read_it(get, feed, query):
    feed.turn()
    packed = get(f"/api/history{query}", Accept_Encoding="br, gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    plain = get(f"/api/history{query}")
    assert "Content-Encoding" not in plain.headers
    assert json.loads(gzip.decompress(packed.data)) == plain.json
    assert plain.json["panels"]["ttft"]["series"] == {"qwen3:8b": [1]}


@pytest.mark.parametrize("query", ["range=2h", "range=", "range=../x", "range=5m%00"])
def test_a_bad_range_is_explained(get, query):
    answer = get(f"/api/history?{query}")
    assert answer.status_code == 400
    assert answer.json == {"error": "range: expected one of 5m, 15m, 1h, 6h, 24h, 7d, 30d, 90d"}


def test_requests_come_newest_first_with_those_that_run(get):
    answer = get("/api/requests").json
    assert [row["seq"] for row in answer["requests"]] == [6, 5, 4, 3, 2, 1]
    assert answer["requests"][1] == record(5)._asdict()
    assert (answer["v"], answer["next"]) == (1, None)
    assert answer["in_flight"] == [{"id": 9, "phase": "queued"}]


def test_requests_are_chosen_and_paged(get):
    first = get("/api/requests?limit=2&model=qwen3:8b").json
    second = get(f"/api/requests?limit=2&model=qwen3:8b&before={first['next']}").json
    seqs = [[row["seq"] for row in page["requests"]] for page in (first, second)]
    assert seqs == [[5, 4], [3, 2]]
    assert [row["seq"] for row in get("/api/requests?outcome=timeout").json["requests"]] == [6]


def test_requests_as_a_file_hold_no_formula(get):
    answer = get("/api/requests?format=csv&q=TINY")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="ollamon-requests.csv"'
    assert ",'=tiny,200,timeout," in answer.text


def test_a_bad_question_about_requests_is_explained(get):
    answer = get("/api/requests?limit=501")
    assert (answer.status_code, answer.json) == (400, {"error": "limit: expected 1 to 500"})


def test_a_cancel_is_passed_on_with_the_token(made, journal):
    asked = []

    def cancel(request_id: int, token: str) -> tuple[int, bytes]:
        asked.append((request_id, token))
        return 404, b'{"error":"no request of this id is in flight"}'

    journal.cancel = cancel
    client = made[0].test_client()
    fields = {"Host": HOST, "X-Ollamon-Token": "secret"}
    answer = client.post("/api/requests/1806336000000001/cancel", headers=fields)
    assert (answer.status_code, answer.json["error"][:10]) == (404, "no request")
    assert asked == [(1806336000000001, "secret")]
    for wrong in (
        {"X-Ollamon-Token": "x"},
        {"X-Ollamon-Token": ""},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example:3001"},
    ):
        refused = client.post("/api/requests/5/cancel", headers=fields | wrong)
        assert refused.status_code == 403
    assert len(asked) == 1
    assert client.get("/api/requests/5/cancel", headers=fields).status_code == 405


def test_a_cancel_that_reaches_no_proxy_is_said(made):
    fields = {"Host": HOST, "X-Ollamon-Token": "secret"}
    answer = made[0].test_client().post("/api/requests/5/cancel", headers=fields)
    assert answer.status_code == 502
    assert answer.json["error"].startswith("cannot reach http://127.0.0.1:9/api/requests/5/cancel")


def test_health(get, feed):
    assert get("/healthz").status_code == 200
    assert get("/readyz").status_code == 503
    feed.turn()
    assert get("/readyz").status_code == 200


def test_what_is_not_there_or_not_allowed_is_json(get, made):
    assert (get("/api/nothing").status_code, get("/api/nothing").json) == (
        404,
        {"error": "/api/nothing: not found"},
    )
    answer = made[0].test_client().post("/api/metrics", headers={"Host": HOST})
    assert answer.status_code == 405


def test_files_are_asked_for_again_each_time(made, tmp_path):
    app = made[0]
    app.static_folder = str(tmp_path)
    (tmp_path / "main.js").write_text("export {};")
    client = app.test_client()
    with client.get("/static/main.js", headers={"Host": HOST}) as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.content_type.startswith("text/javascript")
        again = {"Host": HOST, "If-None-Match": answer.headers["ETag"]}
    with client.get("/static/main.js", headers=again) as answer:
        assert answer.status_code == 304
    assert client.get("/static/../app.py", headers={"Host": HOST}).status_code == 404


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"Host": "evil.example:3001"}),
        ("/api/metrics", {"Origin": "http://evil.example"}),
        ("/api/metrics", {"Sec_Fetch_Site": "cross-site"}),
        ("/socket.io/?EIO=4&transport=websocket", {"Host": "evil.example:3001"}),
        ("/socket.io/?EIO=4&transport=polling", {"Origin": "http://evil.example"}),
    ],
)
def test_strangers_stay_outside(get, path, headers):
    assert get(path, **headers).status_code == 403


def test_polling_is_refused(get):
    assert get("/socket.io/?EIO=4&transport=polling").status_code == 400


def test_a_tick_reaches_every_page_and_what_pages_send_is_ignored(made, feed):
    app, socketio = made
    pages = [socketio.test_client(app) for _ in range(2)]
    pages[0].emit("tick", {"t": 0})
    socketio.emit("tick", tick := feed.turn())
    for page in pages:
        (event,) = page.get_received()
        assert (event["name"], event["args"]) == ("tick", [tick])


def test_json_for_the_socket_is_compact_and_knows_no_nan():
    assert module.CompactJson.dumps({"a": [1, None]}) == '{"a":[1,null]}'
    assert module.CompactJson.loads(b'["x"]') == ["x"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        module.CompactJson.dumps(float("nan"))


def test_a_history_that_somebody_has_is_not_sent_again(get, feed):
    feed.turn()
    first = get("/api/history?range=1h")
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-cache"
    again = get("/api/history?range=1h", If_None_Match=tag)
    assert (again.status_code, again.data) == (304, b"")
    other = get("/api/history?range=1h&panel=ttft", If_None_Match=tag)
    assert other.status_code == 200


def test_a_stretch_of_one_panel(get, feed):
    t = feed.turn()["t"]
    answer = get(f"/api/history?from={int(t) - 60}&to={int(t) + 5}&panel=ttft").json
    assert answer["panels"] == {"ttft": {"series": {"qwen3:8b": [1]}}}


def test_a_history_of_one_model(get, feed):
    feed.turn()
    for model, series in (("qwen3:8b", {"qwen3:8b": [1]}), ("other", {})):
        panels = get(f"/api/history?model={model}").json["panels"]
        assert panels["ttft"] == {"series": series}


def test_a_history_as_csv(get, feed):
    feed.turn()
    answer = get("/api/history?panel=ttft&format=csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    head, row, end = answer.text.split("\r\n")
    assert head == "time,panel,series,value"
    assert row.endswith("Z,ttft,qwen3:8b,1")
    assert end == ""


@pytest.mark.parametrize("query", ["from=1", "from=5&to=1", "panel=x", "format=xml", "range=2h"])
def test_a_history_that_cannot_be_understood(get, query):
    answer = get(f"/api/history?{query}")
    assert answer.status_code == 400
    assert ": expected " in answer.json["error"]


FOREIGN = [
    {"Host": "evil.example:3001"},
    {"Host": HOST, "Origin": "http://evil.example"},
    {"Host": "evil.example:3001", "Origin": "http://evil.example:3001"},
    {"Host": HOST, "Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: " ".join(headers.values()))
def test_nobody_foreign_gets_anything_on_any_route(made, headers):
    app = made[0]
    client = app.test_client()
    paths = {str(rule).replace("<int:request_id>", "1") for rule in app.url_map.iter_rules()}
    paths = {path.replace("<path:filename>", "main.js") for path in paths}
    assert len(paths) > 8
    for path in (*sorted(paths), "/socket.io/?EIO=4&transport=websocket"):
        for method in ("GET", "POST"):
            answer = client.open(path, method=method, headers=headers)
            assert answer.status_code == 403, (method, path)
