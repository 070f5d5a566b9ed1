"""The real child: its socket, its end, and a real Prometheus that comes and goes."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ollamon.config.model import Config
from ollamon.dashboard import server
from ollamon.dashboard.history.file import connect_to_read
from ollamon.handover import Notifier
from tests.dashboard.ring_server import RingServer
from tests.dashboard.support import (
    Child,
    CountingProxy,
    RefusedError,
    Socket,
    eventually,
    free_port,
)

EMBEDDED = {"prometheus": {"mode": "embedded"}}


@pytest.fixture
def proxy():
    made = CountingProxy()
    yield made
    made.close()


@pytest.fixture
def start(proxy):
    children: list[Child] = []

    def start_one(section: dict | None = None, **options: bool) -> Child:
        section = {"proxy": {"metrics_listen": f"127.0.0.1:{proxy.port}"}} | (section or EMBEDDED)
        children.append(Child(section, **options))
        return children[-1]

    yield start_one
    for child in children:
        child.close()


@pytest.fixture
def child(start) -> Child:
    return start().wait_ready()


def test_the_page_its_files_and_its_health(child):
    status, body, headers = child.get("/")
    assert status == 200
    assert b"<html" in body
    assert headers["X-Ollamon-Run"] == "0badcafe"
    assert child.get("/healthz")[0] == 200
    eventually(lambda: child.get("/readyz")[0] == 200, "the first tick")


def test_a_page_gets_ticks_of_one_size_for_all(child):
    pages = [child.open_socket() for _ in range(3)]
    ticks = [page.event() for page in pages]
    assert {name for name, _ in ticks} == {"tick"}
    tick = ticks[0][1]
    assert tick["v"] == 1
    assert tick["status"]["kind"] == "live"
    assert tick["panels"]["memory"] == {"all": 10}
    assert tick["models"][0]["name"] == "qwen3:8b"
    assert [page.accepted.extensions for page in pages] == [[], [], []]
    later = pages[0].event()[1]
    assert later["t"] > tick["t"]


def test_what_a_page_sends_is_ignored(child):
    page = child.open_socket()
    page.emit("tick", {"x": "y"})
    page.emit("connect", [])
    assert page.event()[0] == "tick"
    assert page.event()[0] == "tick"


def test_too_long_a_message_ends_its_page_only(child):
    bad, good = child.open_socket(), child.open_socket()
    bad.emit("x", "y" * 20_000)
    names, _ = bad.goodbye()
    assert set(names) <= {"tick"}
    assert good.event()[0] == "tick"


def test_a_flood_of_messages_holds_nobody_up_and_is_kept_nowhere(child):
    bad, good = child.open_socket(), child.open_socket()
    process = psutil.Process(child.process.pid)
    before = process.memory_info().rss
    for _ in range(20_000):
        bad.emit("x", "y" * 100)
    first = good.event()[1]["t"]
    assert good.event()[1]["t"] - first < 5
    assert process.memory_info().rss - before < 20e6
    assert bad.event()[0] == "tick"


def test_history_grows_with_the_ticks(child):
    def history() -> dict:
        return json.loads(child.get("/api/history?range=5m")[1])

    eventually(lambda: len(history()["t"]) >= 2, "two points")
    assert history()["panels"]["memory"]["series"]["all"][0] == 10


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["host", "origin", "site"],
)
def test_strangers_get_neither_api_nor_socket(child, headers):
    fields = {name.replace("-", "_"): value for name, value in headers.items()}
    assert child.get("/api/metrics", **fields)[0] == 403
    with pytest.raises(RefusedError, match="403"):
        child.open_socket(**headers)


def test_sigterm_says_bye_and_exits_0(child):
    page = child.open_socket()
    page.event()
    # One that reads nothing must not hold the others.
    child.open_socket()
    assert child.terminate() == 0
    names, code = page.goodbye()
    assert names[-1] == "bye"
    assert code == 1000
    assert child.output() == ""


def test_sigint_is_left_to_the_supervisor(child):
    child.process.send_signal(2)
    assert child.get("/healthz")[0] == 200


def test_the_end_of_stdin_ends_it(child):
    child.open_socket()
    child.end_input()
    assert child.process.wait(30) == 0


def test_it_says_that_it_lives_and_how_it_stands(child, proxy):
    told = []
    for line in child.notices:
        told.append(line.strip())
        if "STATUS=Live" in told and "WATCHDOG=1" in told:
            break
    proxy.up = 0
    proxy.ready = {"upstream": "down", "reason": "cannot reach Ollama"}
    for line in child.notices:
        if line.startswith("STATUS=Ollama not reachable at "):
            return
    raise AssertionError("the status was not told")


def test_without_a_socket_it_binds_its_own(start):
    assert start(is_bound=False).wait_ready().get("/healthz")[0] == 200


def test_a_taken_address_is_98(start, proxy):
    child = start(
        {"dashboard": {"listen": f"127.0.0.1:{proxy.port}"}} | EMBEDDED,
        is_bound=False,
    )
    assert child.process.wait(30) == 98
    assert child.output() == f"cannot listen on 127.0.0.1:{proxy.port}: address already in use\n"


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ({"dashboard": {"lisen": "x"}}, "cannot use the handover: dashboard.lisen: "),
        ({"dashboard": {"interval": 5}}, "cannot use the handover: dashboard.interval: "),
    ],
)
def test_a_wrong_section_is_78(start, section, line):
    child = start(section, is_bound=False)
    assert child.process.wait(30) == 78
    output = child.output()
    assert output.startswith(line)
    assert output.count("\n") == 1


def test_no_handover_is_78():
    ended = subprocess.run(
        [sys.executable, "-m", "ollamon.dashboard"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 78
    assert ended.stderr.startswith("cannot read the handover: ")


STUCK = """
from gevent import monkey
monkey.patch_all()
import gevent
from ollamon.dashboard import server
server.LIFELINE_GRACE_S = 0.2
turns = []
server.watch_lifeline(lambda: None)
for _ in range(20):
    gevent.sleep(0.01)
print("turned", flush=True)
while True:
    pass
"""


def test_the_lifeline_blocks_no_loop_and_ends_one_that_is_stuck():
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "turned\n"
        process.stdin.close()
        assert process.wait(30) == 1


@pytest.mark.parametrize(
    ("tables", "has_prometheus", "has_helper"),
    [
        ({}, False, False),
        ({"prometheus": {"mode": "managed"}, "helper": {"mode": "on"}}, True, True),
        ({"prometheus": {"mode": "external", "url": "http://h:1"}}, True, False),
        ({"prometheus": {"mode": "embedded"}, "helper": {"mode": "external"}}, False, True),
    ],
    ids=["auto, as not resolved", "managed", "external", "embedded"],
)
def test_the_sources_are_those_of_the_configuration(tables, has_prometheus, has_helper):
    config = Config.model_validate(tables)
    feed = server.build_feed(config, Notifier(None), server.open_history(config), None)
    assert (feed._sources.prometheus is not None) is has_prometheus
    assert (feed._sources.helper is not None) is has_helper


@pytest.mark.parametrize("compat", ["both", "seed", "canonical"])
def test_the_page_reads_the_names_that_the_proxy_serves(start, proxy, compat):
    child = start({"metrics": {"compat": compat}}).wait_ready()
    declared = {panel["id"]: panel["promql"] for panel in json.loads(child.get("/api/panels")[1])}
    name = ("ollama_proxy_memory_usage_bytes", "ollama_host_memory_used_bytes")
    assert declared["memory"] == f"{name[compat == 'canonical']} / 1024 / 1024"
    tick = eventually(lambda: child.tick()["panels"], "panels")
    assert tick["memory"] == ({} if compat == "canonical" else {"all": 10})


class RealPrometheus:
    """A child that scrapes the proxy, and may be killed and started again."""

    def __init__(self, folder: Path, target: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            "scrape_configs:\n"
            "- job_name: ollama_proxy\n"
            f"  static_configs: [{{targets: ['localhost:{target}']}}]\n"
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={self.folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=error",
            ],
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def prometheus(tmp_path, proxy):
    made = RealPrometheus(tmp_path, proxy.port)
    made.start()
    yield made
    made.kill()


def tick_of(page: Socket, is_wanted, what: str) -> dict:
    """The first wanted tick."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        tick = page.event()[1]
        if is_wanted(tick):
            return tick
    raise AssertionError(f"no tick: {what}")


@pytest.mark.timeout(240)
def test_a_prometheus_that_goes_costs_no_tick_and_returns(start, prometheus):
    section = {"mode": "external", "url": f"http://127.0.0.1:{prometheus.port}"}
    child = start({"prometheus": section}).wait_ready()
    page = child.open_socket()
    tick = tick_of(
        page,
        lambda tick: tick["source"] == "prometheus" and tick["panels"]["token_rate"],
        "prometheus",
    )
    assert tick["status"]["kind"] == "live"
    assert tick["panels"]["memory"] == {"all": 10}
    (name,) = tick["panels"]["request_rate"]
    assert name == "qwen3:8b POST /api/chat 200"

    def history() -> dict:
        return json.loads(child.get("/api/history?range=5m")[1])

    # Prometheus is asked for whole seconds, and has just begun.
    memory = eventually(lambda: history()["panels"]["memory"]["series"].get("all"), "history")
    assert history()["step_s"] == 1
    assert (memory[0], memory[-1]) == (None, 10)

    prometheus.kill()
    killed = time.time()
    tick = tick_of(page, lambda tick: tick["t"] > killed, "the first one after it")
    assert tick["source"] == "embedded"
    assert tick["status"]["kind"] == "prometheus_down"
    assert tick["status"]["hint"].endswith("connection refused")
    assert tick["panels"]["memory"] == {"all": 10}
    assert tick["panels"]["token_rate"]["qwen3:8b"] > 0

    prometheus.start()
    tick = tick_of(page, lambda tick: tick["source"] == "prometheus", "prometheus again")
    assert tick["status"]["kind"] in ("live", "prometheus_down")
    tick_of(page, lambda tick: tick["status"]["kind"] == "live", "live again")


def test_no_request_is_lost_or_doubled_when_the_dashboard_is_killed_and_started_again(
    start, tmp_path
):
    proxy = RingServer()
    section = {
        **EMBEDDED,
        "proxy": {"metrics_listen": f"127.0.0.1:{proxy.port}"},
        "paths": {"data": str(tmp_path)},
    }
    path = tmp_path / "history.sqlite3"

    def kept() -> list[int]:
        if not path.exists():
            return []
        with contextlib.closing(connect_to_read(path)) as reader:
            found = reader.execute("SELECT seq FROM requests ORDER BY seq").fetchall()
        return [seq - proxy.ring.start for (seq,) in found]

    def load(stop: threading.Event) -> None:
        while not stop.wait(0.01):
            proxy.end(20)

    over = threading.Event()
    loading = threading.Thread(target=load, args=(over,))
    loading.start()
    try:
        for _ in range(2):
            child = start(section).wait_ready()
            held = proxy.ring.last
            eventually(lambda: kept()[-1:] > [held - proxy.ring.start], "rows in the file")  # noqa: B023
            child.process.kill()
            child.process.wait()
        child = start(section).wait_ready()
        over.set()
        loading.join()
        count = proxy.ring.last - proxy.ring.start
        eventually(lambda: kept()[-1:] == [count], "the last row")
        assert kept() == list(range(1, count + 1))
        page = json.loads(child.get("/api/requests?limit=1")[1])
        assert page["requests"][0]["seq"] == proxy.ring.last
        assert child.terminate() == 0
        assert [each.name for each in tmp_path.iterdir()] == [path.name]
    finally:
        over.set()
        loading.join()
        proxy.close()


def test_a_page_hears_of_requests_that_run_and_that_ended(start):
    proxy = RingServer()
    proxy.running = [{"id": 1, "phase": "generating"}]
    try:
        child = start(EMBEDDED | {"proxy": {"metrics_listen": f"127.0.0.1:{proxy.port}"}})
        page = child.wait_ready().open_socket()
        told = {}
        while told.get("in_flight") != proxy.running or not told["requests"]:
            proxy.end()
            name, document = page.event()
            told = document if name == "requests" else told
        assert told["requests"][0]["model"] == "qwen3:8b"
    finally:
        proxy.close()
