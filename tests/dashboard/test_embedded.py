import json
import math

import pytest

from ollamon.dashboard.sources import fetch
from ollamon.dashboard.sources.embedded import Embedded
from ollamon.dashboard.sources.source import Span
from ollamon.errors import SourceError
from tests.dashboard.support import TextServer, exposition

QWEN = (("model", "qwen3:8b"),)


@pytest.fixture
def proxy():
    made = TextServer()
    made.paths["/metrics"] = (200, exposition())
    yield made
    made.close()


@pytest.fixture
def source(proxy) -> Embedded:
    return Embedded(proxy.url)


def test_panels_are_evaluated_from_what_was_scraped(proxy, source):
    source.read(1000)
    proxy.paths["/metrics"] = (200, exposition(requests=31, tokens=610))
    panels = source.read(1060).panels
    assert panels["token_rate"] == {QWEN: pytest.approx(10)}
    assert panels["memory"] == {(): 10}
    assert panels["active_requests"] == {(): 0}
    assert panels["ttft"] == {QWEN: pytest.approx(0.475)}
    assert list(panels["average_latency"].values()) == [pytest.approx(0.5)]
    assert panels["gpu"] == {}


def test_only_what_is_shown_is_kept(source):
    source.read(1000)
    assert not list(source.store.select("unheard_of_total"))
    assert list(source.store.select("ollama_model_loaded"))


def test_a_scrape_that_fails_is_a_gap(proxy, source):
    source.read(1000)
    proxy.paths["/metrics"] = (500, "")
    with pytest.raises(SourceError, match="status 500"):
        source.read(1005)
    proxy.paths["/metrics"] = (200, exposition())
    source.read(1010)
    history = source.history(Span.of(1010, 300, 5))
    assert history.times == [1000, 1005, 1010]
    memory = history.panels["memory"][()]
    assert [None if math.isnan(value) else value for value in memory] == [10, None, 10]


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (200, "<html>hello</html>", "serves no metrics of ollamon"),
        (200, "ollama_up one\n", "no valid metrics"),
        (200, 'ollama_up{x="\n', "no valid metrics"),
        (404, "", "status 404"),
        (302, "", "status 302"),
    ],
    ids=["a page", "no number", "a torn line", "nothing there", "a redirect"],
)
def test_what_is_not_our_metrics_is_refused(proxy, source, status, text, message):
    proxy.paths["/metrics"] = (status, text)
    with pytest.raises(SourceError, match=message):
        source.read(1000)


def test_an_answer_without_end_is_refused(proxy, source, monkeypatch):
    monkeypatch.setattr(fetch.get, "__kwdefaults__", {"limit": 1000})
    proxy.paths["/metrics"] = (200, exposition() * 100)
    with pytest.raises(SourceError, match="more than 1000 bytes"):
        source.read(1000)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            json.dumps({"upstream": "not_ollama", "reason": "no models"}),
            ("not_ollama", "no models"),
        ),
        ("[]", ("", "")),
        ("{", ("", "")),
        ('{"upstream":1,"reason":""}', ("", "")),
        ("[" * 100000, ("", "")),
    ],
    ids=["ours", "a list", "torn", "of another type", "too deep"],
)
def test_the_proxy_says_what_is_upstream(proxy, source, text, found):
    proxy.paths["/readyz"] = (503, text)
    assert source.upstream() == found


def test_a_proxy_that_is_gone_says_nothing(proxy, source):
    proxy.close()
    assert source.upstream() == ("", "")
