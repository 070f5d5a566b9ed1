import json
import math

import pytest

from ollamon.dashboard import view
from ollamon.dashboard.sources.source import History, Reading
from ollamon.dashboard.status import Kind, Level, Note, Status
from ollamon.metrics.panels import PANELS
from ollamon.metrics.series import Sample, SeriesStore

BY_ID = {panel.id: panel for panel in PANELS}
NAN, INF = math.nan, math.inf
LIVE = Status(Kind.LIVE, Level.OK, "Live")


def key(**labels: str):
    return tuple(sorted(labels.items()))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NAN, None),
        (INF, None),
        (-INF, None),
        (0.0, "0"),
        (3.0, "3"),
        (0.123456789, "0.1234568"),
        (17179869184.0, "17179870000"),
        (1e300, "1e+300"),
        (-2.5, "-2.5"),
    ],
)
def test_a_number(value, expected):
    assert view.number(value) == (None if expected is None else json.loads(expected))
    if expected:
        assert json.dumps(view.number(value)) == expected


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"model": "qwen3:8b"}, "qwen3:8b"),
        (
            {"status": "200", "method": "POST", "endpoint": "/api/chat", "model": "qwen3:8b"},
            "qwen3:8b POST /api/chat 200",
        ),
        ({"model": "a", "instance": "localhost:8001", "job": "ollama_proxy"}, "a"),
        ({}, "all"),
        ({"instance": "localhost:8001"}, "all"),
    ],
)
def test_a_series_is_named_by_its_labels_with_the_model_first(labels, name):
    order = ("method", "endpoint", "model", "status")
    assert view.series_name(key(**labels), order) == name


def test_a_tick_has_every_panel_and_null_for_unknown():
    reading = Reading(
        1795451436.81234,
        {
            "ttft": {key(model="qwen3:8b"): 0.41, key(model="llama3.2"): NAN},
            "average_latency": {key(model="m", method="GET", endpoint="/"): INF},
            "active_requests": {(): 0.0},
        },
    )
    built = view.build_tick(
        reading,
        source="prometheus",
        interval_s=5.0,
        is_demo=False,
        status=LIVE,
        notes=[Note("no_gpu", "No GPU")],
        models=[],
    )
    assert built["panels"].keys() == BY_ID.keys()
    assert built["panels"]["ttft"] == {"llama3.2": None, "qwen3:8b": 0.41}
    assert built["panels"]["average_latency"] == {"m GET /": None}
    assert built["panels"]["active_requests"] == {"all": 0}
    assert built["panels"]["gpu"] == {}
    rest = {name: value for name, value in built.items() if name != "panels"}
    assert rest == {
        "v": 1,
        "t": 1795451436.812,
        "interval_s": 5,
        "demo": False,
        "source": "prometheus",
        "status": {"kind": "live", "level": "ok", "text": "Live", "hint": ""},
        "notes": [{"kind": "no_gpu", "text": "No GPU", "hint": ""}],
        "models": [],
    }
    json.dumps(built, allow_nan=False)


def test_two_machines_are_summed_where_things_add_up_and_else_the_worst():
    machines = {
        key(model="a", instance="one"): (1.0, NAN, NAN),
        key(model="a", instance="two"): (2.0, 5.0, NAN),
    }
    summed = view.named(BY_ID["token_rate"], machines)["a"]
    worst = view.named(BY_ID["ttft"], machines)["a"]
    assert [view.number(value) for value in summed] == [3, 5, None]
    assert [view.number(value) for value in worst] == [2, 5, None]


@pytest.mark.parametrize(("panel", "rest"), [("token_rate", sum(range(10))), ("ttft", 9)])
def test_series_beyond_the_limit_are_combined(panel, rest):
    many = {key(model=f"m{i:02}"): (float(i),) for i in range(49)}
    many[key(model="silent")] = (NAN,)
    found = view.named(BY_ID[panel], many)
    assert len(found) == view.MAX_SERIES
    assert list(found["other"]) == [rest]
    assert found["m48"] == (48.0,)
    assert "m09" not in found


def test_a_history_is_columns_on_one_list_of_times():
    history = History(
        [10.0, 15.1234],
        5.0,
        {"ttft": {key(model="a"): (NAN, 0.123456789)}, "gpu": {(): (1.0, 2.0)}},
    )
    built = view.build_history(history)
    assert (built["v"], built["t"], built["step_s"]) == (1, [10.0, 15.123], 5)
    assert built["panels"]["ttft"] == {"series": {"a": [None, 0.12346]}}
    assert built["panels"]["gpu"] == {"series": {"all": [1, 2]}}
    assert built["panels"]["errors"] == {"series": {}}


def test_a_panel_is_described():
    assert view.describe(BY_ID["active_requests"]) == {
        "id": "active_requests",
        "title": "Active requests",
        "unit": "count",
        "section": "Load and errors",
        "kind": "stepped",
        "total": "sum",
        "help": "Requests in flight now.",
        "promql": "sum(ollama_proxy_active_requests)",
        "tile": True,
        "short": "Active requests",
        "thresholds": [],
    }


def test_loaded_models_say_what_is_known_of_them():
    store = SeriesStore()
    qwen, other = {"model": "qwen3:8b"}, {"model": "llama3.2"}
    store.add(
        100,
        [
            Sample("ollama_model_loaded", qwen, 1),
            Sample("ollama_model_loaded", other, 1),
            Sample("ollama_model_size_bytes", qwen, 6000000001),
            Sample("ollama_model_gpu_offload_ratio", qwen, 0.5),
            Sample("ollama_model_expires_timestamp_seconds", qwen, 1795451436.8),
            Sample("ollama_model_vram_bytes", {"model": "not loaded"}, 1),
        ],
    )
    unknown = dict.fromkeys(
        ("size_bytes", "vram_bytes", "offload_ratio", "context_length", "expires")
    )
    assert view.models(store, 101) == [
        {"name": "llama3.2", **unknown},
        {
            "name": "qwen3:8b",
            "size_bytes": 6000000001,
            "vram_bytes": None,
            "offload_ratio": 0.5,
            "context_length": None,
            "expires": 1795451436.8,
        },
    ]
    store.add(105, ())
    assert view.models(store, 105) == []


def test_of_a_history_one_panel_or_one_model_is_chosen():
    columns = {
        "ttft": {"series": {"a": [1], "b": [2]}},
        "request_rate": {"series": {"a POST /api/chat 200": [3], "ab POST / 200": [4]}},
        "memory": {"series": {"all": [5]}},
    }
    history = {"t": [1], "panels": columns}
    assert view.chosen(history, PANELS, "", "") == history
    assert view.chosen(history, PANELS, "ttft", "") == {
        "t": [1],
        "panels": {"ttft": columns["ttft"]},
    }
    assert view.chosen(history, PANELS, "", "a")["panels"] == {
        "ttft": {"series": {"a": [1]}},
        "request_rate": {"series": {"a POST /api/chat 200": [3]}},
        # What is not told apart by model stays.
        "memory": {"series": {"all": [5]}},
    }
