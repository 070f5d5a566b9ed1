import gzip
import json
import logging
import threading
from dataclasses import replace

import pytest

from ollamon.dashboard.feed import BLIND_AFTER_S, Feed, Plan, Sources, choose
from ollamon.dashboard.history.file import HistoryFile
from ollamon.dashboard.sources.helper import HelperSeen
from ollamon.dashboard.sources.source import History, Reading, Span
from ollamon.errors import SourceError
from ollamon.metrics.series import Sample, SeriesStore

PLAN = Plan(5.0, "127.0.0.1:11435", "http://127.0.0.1:11434")
QWEN = (("model", "qwen3:8b"),)


class FakeSource:
    """Answers with one series, with nothing, or not at all."""

    def __init__(self, value: float) -> None:
        self.value: float | None = value
        self.error = ""
        self.spans: list[Span] = []

    def read(self, t: float) -> Reading:
        if self.error:
            raise SourceError(self.error)
        return Reading(t, {"ttft": {} if self.value is None else {QWEN: self.value}})

    def history(self, span: Span) -> History:
        self.spans.append(span)
        if self.error:
            raise SourceError(self.error)
        return History([span.end], span.step_s, {"ttft": {QWEN: [self.value or 0.0]}})


class FakeOwn(FakeSource):
    """And keeps what a proxy says about itself."""

    def __init__(self, value: float) -> None:
        super().__init__(value)
        self.store = SeriesStore()
        self.up: float | None = 1.0
        self.requests = 1.0
        self.word = ("up", "")

    def read(self, t: float) -> Reading:
        reading = super().read(t)
        samples = [Sample("ollama_proxy_requests_accepted_total", {}, self.requests)]
        if self.up is not None:
            samples.append(Sample("ollama_up", {}, self.up))
        self.store.add(t, samples)
        return reading

    def upstream(self) -> tuple[str, str]:
        return self.word


class FakeHelper:
    def __init__(self) -> None:
        self.seen = HelperSeen(has_gpu=True)

    def look(self) -> HelperSeen:
        return self.seen


class World:
    """A feed, its sources, and a clock that a test moves."""

    def __init__(self, *, has_prometheus: bool = True) -> None:
        self.own, self.theirs, self.helper = FakeOwn(1.0), FakeSource(2.0), FakeHelper()
        self.now = 1000.0
        self.statuses: list[str] = []
        self.feed = Feed(
            Sources(self.own, self.theirs if has_prometheus else None, self.helper),
            PLAN,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
            on_status=lambda status: self.statuses.append(status.kind),
        )

    def turn(self, after: float = 5.0) -> dict:
        self.now += after
        return self.feed.turn()

    def history(self, name: str = "5m") -> dict:
        return json.loads(gzip.decompress(self.feed.history(name)))


@pytest.fixture
def world() -> World:
    return World()


def test_prometheus_is_shown_while_it_answers(world):
    tick = world.turn()
    assert (tick["source"], tick["panels"]["ttft"]) == ("prometheus", {"qwen3:8b": 2})
    assert tick["status"]["kind"] == "live"
    assert json.loads(world.feed.tick()) == tick


def test_the_tick_after_prometheus_stopped_is_our_own_and_it_returns(world):
    world.turn()
    world.theirs.error = "cannot reach http://127.0.0.1:9090: connection refused"
    tick = world.turn()
    assert (tick["source"], tick["panels"]["ttft"]) == ("embedded", {"qwen3:8b": 1})
    assert tick["status"]["kind"] == "prometheus_down"
    assert tick["status"]["hint"] == world.theirs.error
    world.theirs.error = ""
    assert world.turn()["source"] == "prometheus"
    assert world.statuses == ["live", "prometheus_down", "live"]


def test_without_a_prometheus_our_own_samples_are_no_fault():
    tick = World(has_prometheus=False).turn()
    assert (tick["source"], tick["status"]["kind"]) == ("embedded", "live")


def test_a_prometheus_without_our_samples_is_passed_over_and_named_after_a_while(world):
    world.theirs.value = None
    tick = world.turn()
    assert (tick["source"], tick["notes"]) == ("embedded", [])
    tick = world.turn(BLIND_AFTER_S)
    assert [note["kind"] for note in tick["notes"]] == ["prometheus_blind"]
    world.theirs.value = 2.0
    assert world.turn()["notes"] == []


def test_a_proxy_that_is_down_is_said_and_nothing_is_shown(world):
    world.theirs.error = world.own.error = "cannot reach it: connection refused"
    tick = world.turn()
    assert tick["status"]["kind"] == "proxy_down"
    assert tick["panels"]["ttft"] == {}
    assert [note["kind"] for note in tick["notes"]] == ["prometheus_down"]


@pytest.mark.parametrize(
    ("up", "word", "kind"),
    [
        (1.0, ("", ""), "live"),
        (None, ("", ""), "live"),
        (0.0, ("down", "cannot reach"), "upstream_down"),
        (0.0, ("not_ollama", "lists no models"), "not_ollama"),
        (0.0, ("", ""), "upstream_down"),
    ],
    ids=["up", "not polled yet", "down", "no Ollama", "down, and the proxy says no more"],
)
def test_what_is_upstream(world, up, word, kind):
    world.own.up, world.own.word = up, word
    assert world.turn()["status"]["kind"] == kind


def test_no_request_yet(world):
    world.own.requests = 0
    assert world.turn()["status"]["kind"] == "waiting"


@pytest.mark.parametrize(
    ("seen", "kinds"),
    [
        (HelperSeen(error="refused"), ["helper_down"]),
        (HelperSeen(has_gpu=False), ["no_gpu"]),
        (HelperSeen(has_gpu=True, denied="needs root"), ["helper_denied"]),
    ],
)
def test_the_helper(world, seen, kinds):
    world.helper.seen = seen
    assert [note["kind"] for note in world.turn()["notes"]] == kinds


@pytest.mark.parametrize(
    ("own", "theirs", "source"),
    [
        (None, None, "embedded"),
        (Reading(1), None, "embedded"),
        (None, Reading(1), "prometheus"),
        (Reading(1), Reading(1), "prometheus"),
        (Reading(1, {"p": {(): 1.0}}), Reading(1, {"p": {}}), "embedded"),
        (Reading(1, {"p": {}}), Reading(1, {"p": {(): 1.0}}), "prometheus"),
    ],
    ids=["neither", "only ours", "only theirs", "both empty", "they are blind", "we are"],
)
def test_the_choice(own, theirs, source):
    assert choose(own, theirs) == (theirs if source == "prometheus" else own, source)


def test_history_is_asked_once_a_tick_for_all_clients(world):
    world.turn()
    first = world.history()
    assert first["panels"]["ttft"]["series"] == {"qwen3:8b": [2]}
    assert world.history() == first
    assert len(world.theirs.spans) == 1
    assert world.theirs.spans[0] == Span(1005.0, 300, 5.0)
    world.turn()
    world.history()
    assert len(world.theirs.spans) == 2


def test_history_is_our_own_when_prometheus_just_went(world):
    world.turn()
    world.theirs.error = "gone"
    assert world.history()["panels"]["ttft"]["series"] == {"qwen3:8b": [1]}


def test_history_before_the_first_tick(world):
    assert world.history()["t"] == [1000]


def test_an_unknown_range(world):
    with pytest.raises(KeyError):
        world.feed.history("2h")


def test_a_change_is_logged_once(world, caplog):
    with caplog.at_level(logging.WARNING):
        world.turn()
        world.theirs.error = "cannot reach it"
        world.turn()
        world.turn()
    assert caplog.messages == ["Live, own history: Prometheus not answering (cannot reach it)"]


def test_the_loop_keeps_to_its_deadline_and_makes_up_nothing(world):
    waits, ticks = [], []
    took = iter([1.0, 12.0, 0.0])
    world.feed._stopped = Clockwork(world, waits)

    def emit(name: str, tick: object) -> None:
        ticks.append((name, tick["t"]))
        world.now += next(took)
        if len(ticks) == 3:
            world.feed.stop()

    world.feed.run(emit)
    assert ticks == [("tick", 1000), ("tick", 1005), ("tick", 1017)]
    assert waits == [4, 0, 5]


class Clockwork(threading.Event):
    """Waiting moves the clock instead."""

    def __init__(self, world: World, waits: list[float]) -> None:
        super().__init__()
        self.world, self.waits = world, waits

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        self.world.now += timeout
        return self.is_set()


def test_who_asks_early_gets_the_first_tick(world):
    assert world.feed.tick() == b""
    asked: list[bytes] = []
    waiting = threading.Thread(target=lambda: asked.append(world.feed.tick(timeout_s=30)))
    waiting.start()
    world.turn()
    waiting.join()
    assert json.loads(asked[0])["v"] == 1


def test_what_the_file_of_the_history_lacks_is_said(world):
    kept = HistoryFile(None, lambda _: None)
    kept.error = "cannot use it: disk is full"
    world.feed._sources = replace(world.feed._sources, kept=kept)
    (note,) = world.turn()["notes"]
    assert (note["kind"], note["hint"]) == ("history_memory", kept.error)
