import pytest

from ollamon.proxy.phases import phases
from ollamon.proxy.records import Phase
from ollamon.proxy.residence import Residence, Resident
from ollamon.proxy.routes import route_of


class Running:
    """A request that waits for its answer."""

    def __init__(self, model: str, phase: Phase = Phase.WAITING, target: str = "/api/chat") -> None:
        self.model, self.phase, self.route = model, phase, route_of(target)


def seen(residence: Residence, *running: Running) -> list[str]:
    return [phase.value for phase, _ in phases(running, residence)]


@pytest.fixture
def residence():
    made = Residence()
    made.poll({"tiny": Resident(), "large": Resident()}, (), 0.0)
    return made


def test_nothing_is_guessed_where_ollama_does_not_tell():
    assert seen(Residence(), Running("tiny")) == ["waiting"]


@pytest.mark.parametrize("model", ["other", "unknown"])
def test_nothing_is_guessed_of_a_model_without_a_name(residence, model):
    assert seen(residence, Running(model)) == ["waiting"]


def test_a_model_that_is_not_in_memory_is_loading(residence):
    assert seen(residence, Running("cold"), Running("cold")) == ["loading", "loading"]


def test_the_oldest_that_waits_for_a_model_is_in_prefill_and_the_next_queue(residence):
    running = [Running("tiny"), Running("large"), Running("tiny"), Running("tiny")]
    assert seen(residence, *running) == ["prefill", "prefill", "queued", "queued"]


def test_one_that_generates_holds_nobody_up(residence):
    running = [Running("tiny", Phase.GENERATING), Running("tiny"), Running("tiny", Phase.RECEIVING)]
    assert seen(residence, *running) == ["generating", "prefill", "receiving"]


def test_what_needs_no_model_waits(residence):
    assert seen(residence, Running("tiny", target="/api/show")) == ["waiting"]
