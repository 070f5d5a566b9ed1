import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamon.proxy.sharing import Sharing, Work

MOST = 5


class Told(Sharing):
    """Remembers what it told of each request; a request is called by the negative of its number."""

    def __init__(self, most=MOST):
        super().__init__(most)
        self.known = {}

    def ended(self, work):
        super().ended(work, -work.request)

    def share(self, running, joules):
        self.known |= super().share(running, joules)


def shared(joules, *works, ended=()):
    sharing = Told()
    for work in ended:
        sharing.ended(work)
    sharing.share(works, joules)
    return sharing


def test_requests_share_by_the_chunks_that_they_streamed():
    sharing = shared(30.0, Work(1, "a", 10), Work(2, "b", 5))
    assert sharing.by_model == {"a": 20, "b": 10}
    assert sharing.nobodys == 0


def test_only_chunks_of_this_interval_count():
    sharing = shared(30.0, Work(1, "a", 10), Work(2, "b", 5))
    sharing.share([Work(1, "a", 10), Work(2, "b", 6)], 7.0)
    assert sharing.by_model == {"a": 20, "b": 17}


def test_without_a_chunk_all_get_the_same():
    sharing = shared(30.0, Work(1, "a", 0), Work(2, "a", 0), ended=[Work(3, "b", 0)])
    assert sharing.by_model == {"a": 20, "b": 10}
    assert sharing.known == {-3: 10}


def test_without_a_request_it_is_nobodys():
    sharing = shared(30.0)
    assert (sharing.by_model, sharing.nobodys) == ({}, 30)


def test_a_request_gets_a_part_of_each_of_its_intervals():
    sharing = Told()
    sharing.share([Work(1, "a", 3)], 10.0)
    sharing.share([Work(1, "a", 6), Work(2, "a", 9)], 12.0)
    assert sharing.known == {}, "it runs"
    sharing.ended(Work(1, "a", 7))
    assert sharing.known == {}, "its last interval has not ended"
    sharing.share([Work(2, "a", 10)], 4.0)
    assert sharing.known == {-1: 10 + 3 + 2}


def test_an_answer_whose_last_document_was_no_chunk_takes_nothing_back():
    sharing = Told()
    sharing.share([Work(1, "a", 3)], 10.0)
    sharing.ended(Work(1, "a", 2))
    sharing.share([Work(2, "b", 1)], 6.0)
    assert sharing.by_model == {"a": 10, "b": 6}


def test_an_unknown_interval_makes_its_requests_unknown_and_no_others():
    sharing = Told()
    sharing.ended(Work(1, "a", 1))
    sharing.share([Work(2, "a", 1)], None)
    sharing.ended(Work(2, "a", 2))
    sharing.ended(Work(3, "a", 1))
    sharing.share([], 8.0)
    assert sharing.known == {-3: 4}
    assert sharing.by_model == {"a": 8}


@pytest.mark.parametrize("joules", [-1.0, math.nan])
def test_no_energy_is_below_zero(joules):
    with pytest.raises(ValueError, match="cannot be"):
        shared(joules)


def test_many_requests_cost_no_more_memory_than_few():
    sharing = Told()
    for request in range(1, 10_001):
        sharing.ended(Work(request, "ab"[request % 2], 1))
    assert len(sharing._ended) == MOST
    sharing.share([], 100.0)
    assert sharing.by_model == {"a": pytest.approx(50), "b": pytest.approx(50)}
    assert sharing.known == dict.fromkeys([-1, -2, -3, -4, -5], pytest.approx(0.01))
    assert not sharing._ended
    assert not sharing._folded
    sharing.share([Work(1, "a", 1)], 1.0)
    sharing.share([], 1.0)
    assert not sharing._running


@dataclass
class Life:
    """One request of a history: when it begins and ends, and its chunks in each interval."""

    begins: int
    model: str
    chunks: list[int]

    @property
    def ends(self):
        return self.begins + len(self.chunks) - 1


@dataclass
class History:
    energies: list[float]
    lives: list[Life] = field(default_factory=list)


LIVES = st.builds(
    Life,
    st.integers(0, 7),
    st.sampled_from("abc"),
    st.lists(st.integers(0, 50), min_size=1, max_size=8),
)
HISTORIES = st.builds(
    History,
    st.lists(st.floats(0, 1e7), min_size=16, max_size=16),
    st.lists(LIVES, max_size=30),
)


def played(history, most=MOST):
    sharing = Told(most)
    for at, joules in enumerate(history.energies):
        running = []
        for request, life in enumerate(history.lives):
            work = Work(request, life.model, sum(life.chunks[: at - life.begins + 1]))
            if life.begins <= at < life.ends:
                running.append(work)
            elif at == life.ends:
                sharing.ended(work)
        sharing.share(running, joules)
    return sharing


@given(HISTORIES)
def test_nothing_is_lost_and_nothing_invented(history):
    sharing = played(history)
    total = sum(sharing.by_model.values()) + sharing.nobodys
    assert total == pytest.approx(sum(history.energies))


@given(HISTORIES)
def test_a_model_has_what_its_requests_have(history):
    sharing = played(history, len(history.lives) + 1)
    for model in "abc":
        own = [
            sharing.known[-request]
            for request, life in enumerate(history.lives)
            if life.model == model
        ]
        assert sum(own) == pytest.approx(sharing.by_model[model])


@given(HISTORIES)
def test_what_was_drawn_without_requests_is_what_nobody_has(history):
    busy = {at for life in history.lives for at in range(life.begins, life.ends + 1)}
    free = [joules for at, joules in enumerate(history.energies) if at not in busy]
    assert played(history).nobodys == pytest.approx(sum(free))
