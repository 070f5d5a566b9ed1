"""From the page's server through the proxy to upstream: what runs is cancelled for real."""

import http.client
import json

import pytest

from tests.dashboard.support import WAIT_S, Child, eventually
from tests.fakes.children import TOKEN
from tests.fakes.endless import LINE, Endless

BODY = b'{"model":"tiny","messages":[]}'


@pytest.fixture
def endless():
    made = Endless()
    yield made
    made.close()


@pytest.fixture
def stack(endless, start_child, tmp_path):
    """A proxy and a dashboard of one run."""
    proxy = start_child("proxy", {"ollama": {"url": endless.url}}, "listen", "metrics_listen")
    dashboard = Child(
        {
            "proxy": {"metrics_listen": proxy.address("metrics_listen")},
            "prometheus": {"mode": "embedded"},
            "paths": {"data": str(tmp_path)},
        }
    )
    yield proxy, dashboard.wait_ready()
    dashboard.close()


def test_a_request_that_runs_is_cancelled_from_the_page_and_upstream_sees_it(stack, endless):
    proxy, dashboard = stack
    client = http.client.HTTPConnection(proxy.address("listen"), timeout=WAIT_S)
    client.request("POST", "/api/chat", BODY, {"Content-Type": "application/json"})
    answer = client.getresponse()
    assert answer.readline() + answer.readline() == LINE * 2

    def running() -> list[dict]:
        return json.loads(dashboard.get("/api/requests")[1])["in_flight"]

    (request,) = eventually(running, "the request on the page")
    assert (request["model"], request["client"]) == ("tiny", "unknown")
    path = f"/api/requests/{request['id']}/cancel"
    assert dashboard.post(path)[0] == 403
    assert dashboard.post(path, X_Ollamon_Token="guess")[0] == 403
    assert not endless.has_seen_close.is_set()
    assert dashboard.post(path, X_Ollamon_Token=TOKEN) == (200, b'{"cancelled": true}')
    assert endless.has_seen_close.wait(5)
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    client.close()
    assert dashboard.post(path, X_Ollamon_Token=TOKEN)[0] == 404

    def ended() -> list[dict]:
        return json.loads(dashboard.get("/api/requests?outcome=cancelled")[1])["requests"]

    (row,) = eventually(ended, "the row of the request")
    assert (row["id"], row["status"], row["model"]) == (request["id"], "200", "tiny")


def test_the_page_holds_the_token_and_no_other_answer_does(stack):
    _, dashboard = stack
    assert f'content="{TOKEN}"'.encode() in dashboard.get("/")[1]
    for path in ("/api/metrics", "/api/panels", "/api/requests", "/healthz", "/static/main.js"):
        status, body, headers = dashboard.get(path)
        assert status == 200
        assert TOKEN not in str(headers)
        assert TOKEN.encode() not in body
