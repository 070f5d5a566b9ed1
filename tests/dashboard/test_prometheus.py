"""The source, against a scripted server for the faults; the real one is in test_server.py."""

import json
import math
import socket
import time

import pytest

from ollamon.dashboard.sources import fetch
from ollamon.dashboard.sources.prometheus import Prometheus
from ollamon.dashboard.sources.source import Span
from ollamon.errors import SourceError
from tests.dashboard.support import TextServer, free_port


class Engine(TextServer):
    """Answers queries by a function of the query."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []
        self.answer = lambda query: (200, data([]))
        self.paths = self

    def get(self, path, default):
        self.queries.append(path)
        return self.answer(path)


def data(result: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def series(panel: str, value: object, **labels: str) -> dict:
    return {"metric": {"ollamon_panel": panel, "job": "ollama_proxy", **labels}, "value": value}


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    made = Engine()
    yield made
    made.close()


def answer_with(engine: Engine, *result: object) -> Prometheus:
    engine.answer = lambda _: (200, data(list(result)))
    return Prometheus(engine.url)


def test_all_panels_are_one_query(engine):
    source = answer_with(
        engine,
        series("ttft", [1000.0, "0.41"], model="a"),
        series("ttft", [1000.0, "NaN"], model="b"),
        series("request_rate", [1000, "+Inf"], model="a"),
    )
    panels = source.read(1000.0).panels
    assert len(engine.queries) == 1
    job = ("job", "ollama_proxy")
    assert panels["ttft"][(job, ("model", "a"))] == 0.41
    assert math.isnan(panels["ttft"][(job, ("model", "b"))])
    assert panels["request_rate"] == {(job, ("model", "a")): math.inf}
    assert panels["gpu"] == {}


@pytest.mark.parametrize(
    "result",
    [
        ["x"],
        [{"metric": {}, "value": [1, "2"]}],
        [series("ttft", ["now", "2"])],
        [series("ttft", [1000.0, 2])],
        [series("ttft", [1000.0])],
        [series("unheard_of", [1000.0, "1"])],
        [{"metric": {"ollamon_panel": "ttft", "model": 1}, "values": [None]}],
    ],
    ids=["text", "no panel", "no time", "no text", "no value", "another panel", "no point"],
)
def test_what_has_another_shape_is_passed_over(engine, result):
    assert answer_with(engine, *result).read(1000.0).is_empty


def test_a_value_that_is_no_number_is_unknown(engine):
    panels = answer_with(engine, series("gpu", [1000.0, "many"])).read(1000.0).panels
    assert math.isnan(next(iter(panels["gpu"].values())))


def test_a_refused_union_is_asked_panel_by_panel(engine, monkeypatch):
    def answer(_: str) -> tuple[int, str]:
        match len(engine.queries):
            case 1 | 3:
                return 422, '{"status":"error","error":"bad query"}'
            case 2:
                return 200, data([series("ttft", [1000.0, "1"])])
            case _:
                return 200, data([])

    engine.answer = answer
    source = Prometheus(engine.url)
    panels = source.read(1000.0).panels
    assert len(panels["ttft"]) == 1
    assert len(engine.queries) == 1 + len(panels)


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (400, '{"status":"error"}', "cannot query .*400"),
        (503, "starting", "cannot query .*503"),
        (200, "<html>log in</html>", "the answer is no JSON"),
        (200, "[]", "not the answer of a Prometheus"),
        (200, "{}", "not the answer of a Prometheus"),
        (200, '{"data":{"result":{}}}', "not the answer of a Prometheus"),
        (200, '{"data":' + "[" * 100_000, "not the answer of a Prometheus|no JSON"),
    ],
    ids=["refused", "starting", "a login page", "a list", "empty", "no list", "too deep"],
)
def test_an_answer_that_is_none_is_a_source_error(engine, status, text, message):
    engine.answer = lambda _: (status, text)
    source = Prometheus(engine.url)
    with pytest.raises(SourceError, match=message):
        source.read(1000.0)
    with pytest.raises(SourceError, match=message):
        source.history(Span.of(1000.0, 300, 5))


def test_nobody_there_is_known_at_once():
    url = f"http://127.0.0.1:{free_port()}"
    begin = time.monotonic()
    with pytest.raises(SourceError) as caught:
        Prometheus(url).read(1000.0)
    assert str(caught.value) == f"cannot reach {url}: connection refused"
    # The client's own retries take 6 s.
    assert time.monotonic() - begin < 5


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = Prometheus(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(SourceError, match="no answer within"):
            source.read(1000.0)


def test_a_history_lies_on_one_list_of_times(engine):
    points = [[701, "0"], [705, "1"], [995.0, "2"], [1000, "3"], [1005, "4"], [998, "5"]]
    result = {"metric": {"ollamon_panel": "ttft", "model": "a"}, "values": points}
    history = answer_with(engine, result).history(Span.of(1000.9, 300, 5))
    assert (history.times[0], history.times[-1], len(history.times)) == (705, 1000, 60)
    column = history.panels["ttft"][(("model", "a"),)]
    known = {t: v for t, v in zip(history.times, column, strict=True) if not math.isnan(v)}
    assert known == {705: 1, 995: 2, 1000: 3}


def test_a_history_takes_whole_seconds(engine):
    history = answer_with(engine).history(Span.of(1000.9, 300, 0.2))
    assert history.step_s == 1
    assert len(history.times) <= 720
