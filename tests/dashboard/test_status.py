import dataclasses

import pytest

from ollamon.dashboard.status import (
    Facts,
    HelperState,
    Kind,
    Level,
    Upstream,
    derive,
    notes,
)

NOW = Facts(
    proxy_address="127.0.0.1:11435",
    upstream_url="http://127.0.0.1:11434",
    upstream=Upstream.UP,
    requests=3,
    helper=HelperState.UP,
    has_gpu=True,
)
REFUSED = "cannot reach http://127.0.0.1:8001/metrics: connection refused"
ALL_WRONG = {
    "proxy_error": REFUSED,
    "upstream": Upstream.DOWN,
    "prometheus_error": "cannot reach http://127.0.0.1:9090: no answer within 3 s",
    "requests": 0,
}


def but(**facts) -> Facts:
    return dataclasses.replace(NOW, **facts)


@pytest.mark.parametrize(
    ("facts", "kind", "level", "text", "hint"),
    [
        (NOW, Kind.LIVE, Level.OK, "Live", ""),
        (but(requests=None, upstream=Upstream.UNKNOWN), Kind.LIVE, Level.OK, "Live", ""),
        (
            but(requests=0),
            Kind.WAITING,
            Level.OK,
            "Waiting for the first request",
            "OLLAMA_HOST=127.0.0.1:11435 ollama run llama3.2",
        ),
        (
            but(prometheus_error="cannot reach it", requests=0),
            Kind.PROMETHEUS_DOWN,
            Level.WARN,
            "Live, own history: Prometheus not answering",
            "cannot reach it",
        ),
        (
            but(upstream=Upstream.NOT_OLLAMA, prometheus_error="x"),
            Kind.NOT_OLLAMA,
            Level.WARN,
            "Live, but the server at http://127.0.0.1:11434 is no Ollama",
            "Requests are measured; loaded models and load times stay unknown.",
        ),
        (
            but(upstream=Upstream.DOWN, upstream_reason="cannot reach Ollama: refused"),
            Kind.UPSTREAM_DOWN,
            Level.DOWN,
            "Ollama not reachable at http://127.0.0.1:11434",
            "ollama serve",
        ),
        (
            but(upstream=Upstream.DOWN, upstream_reason="it refuses our Host"),
            Kind.UPSTREAM_DOWN,
            Level.DOWN,
            "Ollama not reachable at http://127.0.0.1:11434",
            "it refuses our Host",
        ),
        (
            but(**ALL_WRONG),
            Kind.PROXY_DOWN,
            Level.DOWN,
            "Proxy not reachable: connection refused",
            "ollamon status",
        ),
    ],
    ids=[
        "all is well",
        "nothing is known",
        "no request yet",
        "Prometheus is down",
        "a server that is no Ollama goes before Prometheus",
        "Ollama is down",
        "the proxy knows better",
        "the proxy goes before all",
    ],
)
def test_the_status(facts, kind, level, text, hint):
    found = derive(facts)
    assert (found.kind, found.level, found.text, found.hint) == (kind, level, text, hint)


@pytest.mark.parametrize(
    ("facts", "kinds"),
    [
        (NOW, []),
        (but(helper=HelperState.OFF), []),
        (but(helper=HelperState.OFF, has_gpu=False), ["helper_off"]),
        (but(helper=HelperState.DOWN, helper_error="refused"), ["helper_down"]),
        (but(helper_denied="powercap needs root"), ["helper_denied"]),
        (but(has_gpu=False), ["no_gpu"]),
        (but(has_gpu=False, helper_denied="powermetrics needs root"), ["helper_denied"]),
        (but(is_prometheus_blind=True), ["prometheus_blind"]),
        (but(prometheus_error="x"), []),
        (but(history_error="cannot use it: disk is full"), ["history_memory"]),
        (but(history_moved="history.sqlite3.broken"), ["history_moved"]),
        (but(history_error="x", history_moved="y"), ["history_memory"]),
        (but(prometheus_error="x", upstream=Upstream.DOWN), ["prometheus_down"]),
    ],
    ids=[
        "nothing is missing",
        "GPU values come from elsewhere",
        "the helper is off",
        "the helper is down",
        "a source is denied",
        "no GPU",
        "a denied source may be the GPU",
        "Prometheus does not scrape us",
        "the status says it already",
        "the disk is full",
        "the file was damaged",
        "a full disk goes first",
        "the status says something else",
    ],
)
def test_notes(facts, kinds):
    assert [note.kind for note in notes(facts)] == kinds


def test_a_note_says_how_to_start_the_helper():
    (note,) = notes(but(helper=HelperState.OFF, has_gpu=False))
    assert note.hint == "ollamon up --with-helper"
    (note,) = notes(but(helper_denied="powercap needs root"))
    assert note.hint == "powercap needs root"
