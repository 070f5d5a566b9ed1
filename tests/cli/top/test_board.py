import pytest

from ollamon.cli.top.board import Board, First, Row, total

PANELS = [
    {
        "id": "ttft",
        "title": "Time to first token, p95",
        "short": "First token, p95",
        "unit": "seconds",
        "total": "max",
        "tile": True,
        "thresholds": [2, 10],
    },
    {
        "id": "rate",
        "title": "Requests per second",
        "short": "Requests",
        "unit": "per_second",
        "total": "sum",
        "tile": True,
        "thresholds": [],
    },
    {
        "id": "disk",
        "title": "Disk reads",
        "short": "",
        "unit": "bytes_per_second",
        "total": "sum",
        "tile": False,
        "thresholds": [],
    },
]
HISTORY = {
    "t": [1, 2, 3],
    "panels": {"ttft": {"series": {"a": [0.1, None, 0.3], "b": [None, None, 0.2]}}},
}


def tick(t: float = 10, **panels) -> dict:
    return {
        "t": t,
        "interval_s": 5,
        "demo": False,
        "source": "embedded",
        "status": {"kind": "live", "level": "ok", "text": "Live", "hint": ""},
        "panels": panels,
        "models": [],
    }


def board(**panels) -> Board:
    return Board(First(PANELS, tick(**panels), HISTORY))


def test_a_tile_has_the_worst_series_its_limit_and_its_past():
    tile, _ = board(ttft={"a": 0.4, "b": 2.5}).tiles()
    assert (tile.title, tile.value, tile.note, tile.level) == (
        "First token, p95",
        "2.50 s",
        "over 2.00 s",
        "warn",
    )
    assert tile.spark == (0.1, 0.0, 0.3)


@pytest.mark.parametrize(
    ("values", "value", "note", "level"),
    [
        ({}, "\u2013", "", "ok"),
        ({"a": None}, "\u2013", "", "ok"),
        ({"a": 0.25}, "250 ms", "a", "ok"),
        ({"a": 0.25, "b": 0.5}, "500 ms", "highest of 2", "ok"),
        ({"a": 12}, "12.0 s", "over 10.0 s", "down"),
    ],
)
def test_what_a_tile_says(values, value, note, level):
    tile, _ = board(ttft=values).tiles()
    assert (tile.value, tile.note, tile.level) == (value, note, level)


def test_unknown_has_no_past_and_is_never_0():
    _, tile = board(rate={}).tiles()
    assert (tile.value, tile.spark) == ("\u2013", ())
    assert total([], "sum") is None
    assert total([None, float("nan")], "max") is None
    assert total([1, None, 2], "sum") == 3


def test_a_new_tick_moves_the_past_on_and_the_same_one_does_not():
    made = board(rate={"all": 1})
    made.take(tick(15, rate={"a": 2, "b": 3}))
    made.take(tick(15, rate={"a": 2, "b": 3}))
    _, tile = made.tiles()
    assert (tile.value, tile.note, tile.spark) == ("5.00 /s", "sum of 2", (5,))


def test_every_series_is_listed_and_a_panel_without_one_too():
    made = board(ttft={"a": 0.5}, disk={"all": 2e6})
    assert list(made.series()) == [
        Row("ttft a", ("Time to first token, p95", "a", "500 ms")),
        Row("rate ", ("Requests per second", "", "\u2013")),
        Row("disk all", ("Disk reads", "", "2.00 MB/s")),
    ]


def test_the_loaded_models():
    made = board()
    made.tick["models"] = [
        {
            "name": "qwen3:8b",
            "size_bytes": 6e9,
            "offload_ratio": 0.5,
            "context_length": 8192,
            "expires": 250,
        },
        {"name": "kept", "expires": 1e12},
        {"name": "unknown"},
    ]
    assert [row.cells for row in made.models()] == [
        ("qwen3:8b", "6.00 GB", "50.0 %", "8192", "4.0 min"),
        ("kept", "\u2013", "\u2013", "\u2013", "never"),
        ("unknown", "\u2013", "\u2013", "\u2013", "\u2013"),
    ]


def test_the_status_says_what_to_do():
    made = board()
    assert made.headline == ("ok", "Live")
    made.tick["status"] = {"level": "down", "text": "Proxy not reachable", "hint": "ollamon up"}
    assert made.headline == ("down", "Proxy not reachable  (ollamon up)")
    made.tick["demo"] = True
    assert made.foot == "source: embedded, made up by --demo"
