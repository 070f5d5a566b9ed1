"""A status for people, 80 columns wide, and for programs."""

import json
from dataclasses import replace

from ollamon.cli.table import NOTHING, document_of, lines_of
from ollamon.cli.words import Style
from ollamon.supervisor.messages import (
    ChildState,
    ChildStatus,
    Health,
    Outsider,
    OutsideState,
    StackState,
    StackStatus,
)

NOW = 1_700_008_040.0
PROXY = ChildStatus(
    name="proxy",
    state=ChildState.READY,
    since=NOW - 8040,
    pid=41207,
    ports=(11435, 8001),
    restarts=0,
    last_exit="",
    health=Health(True, 1.04, "watchdog"),
    cpu_percent=0.84,
    rss_bytes=61_000_000,
    log="/l/proxy.log",
    note="2 clients, 1 request in flight",
    address="http://127.0.0.1:11435",
)
PROMETHEUS = replace(
    PROXY,
    name="prometheus",
    state=ChildState.DEGRADED,
    pid=41219,
    ports=(9090,),
    health=Health(False, 21, "503: /-/ready"),
    note="",
)
DASHBOARD = replace(
    PROXY,
    name="dashboard",
    state=ChildState.BACKOFF,
    pid=None,
    ports=(3001,),
    restarts=3,
    last_exit="exit 1",
    health=None,
    cpu_percent=None,
    rss_bytes=None,
    note="exit 1, again in 1.6 s",
    tail=("Traceback", "ModuleNotFoundError: No module named 'flask_socketio'"),
)
STATUS = StackStatus(
    name="default",
    state=StackState.DEGRADED,
    run_id="7f3a91c2",
    pid=41199,
    version="0.1.0",
    started=NOW - 8040,
    config_file="~/ollamon.toml",
    config_digest="d",
    children=(PROXY, PROMETHEUS, DASHBOARD),
)
TABLE = """\
default   up 2 h 14 m   supervisor pid 41199   run 7f3a91c2             degraded
CHILD       STATE     PID    PORTS       UPTIME    RST  CPU   RSS    HEALTH
proxy       ready     41207  11435 8001  2 h 14 m  0    0.8%  61 MB  ok 1 s
  2 clients, 1 request in flight
prometheus  degraded  41219  9090        2 h 14 m  0    0.8%  61 MB  bad 21 s
  503: /-/ready
dashboard   backoff   -      3001        -         3    -     -      -
  exit 1, again in 1.6 s
  last line: ModuleNotFoundError: No module named 'flask_socketio'"""


def test_the_table_fits_eighty_columns_and_says_what_is_wrong():
    lines = list(lines_of(STATUS, NOW, Style()))
    assert "\n".join(lines).replace(NOTHING, "-") == TABLE
    assert max(map(len, lines)) <= 80


def test_a_narrow_terminal_gets_lines_that_are_cut():
    lines = list(lines_of(STATUS, NOW, Style(width=40)))
    assert max(map(len, lines[1:])) == 40
    assert lines[4] == "prometheus  degraded  41219  9090      …"


def test_the_document_says_the_same():
    document = json.loads(json.dumps(document_of(STATUS)))
    assert document["state"] == "degraded"
    assert document["supervisor"] == {
        "pid": 41199,
        "version": "0.1.0",
        "started_at": "2023-11-14T22:13:20.000Z",
    }
    proxy, _, dashboard = document["children"]
    assert proxy["health"] == {"ok": True, "age_s": 1.0, "detail": "watchdog"}
    assert (proxy["ports"], proxy["last_exit"]) == ([11435, 8001], None)
    assert (dashboard["health"], dashboard["last_exit"]) == (None, "exit 1")


def test_what_nobody_of_ours_sees_has_a_row_of_its_own():
    outside = (
        Outsider(
            *("prometheus", OutsideState.UP, 940.0, Health(True, 2.0, "200: /")),
            *("http://127.0.0.1:9090", "not run by ollamon"),
        ),
        Outsider(
            *("helper", OutsideState.DOWN, 940.0, Health(False, 2.0, "Connection refused")),
            *("http://127.0.0.1:8002", "not run by ollamon"),
        ),
        Outsider("page", OutsideState.DISABLED, 900.0, None, "", "left out of this run"),
    )
    status = replace(STATUS, children=(), outside=outside)
    lines = list(lines_of(status, 1000.0, Style(width=0)))[2:]
    assert [" ".join(line.replace(NOTHING, "-").split()) for line in lines] == [
        "prometheus external-up - 9090 1 m 0 s - - - ok 2 s",
        "not run by ollamon",
        "helper external-down - 8002 - - - - bad 2 s",
        "Connection refused",
        "page disabled - - - - - - -",
        "left out of this run",
    ]
    assert len(list(lines_of(status, 1000.0, Style(width=0), is_wide=True))) == len(lines) + 2
    assert document_of(status)["outside"][0] == {
        "name": "prometheus",
        "state": "external-up",
        "since": "1970-01-01T00:15:40.000Z",
        "address": "http://127.0.0.1:9090",
        "health": {"ok": True, "age_s": 2.0, "detail": "200: /"},
        "note": "not run by ollamon",
    }
