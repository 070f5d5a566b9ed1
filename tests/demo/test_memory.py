import math

import pytest

from ollamon.demo import models
from ollamon.demo.memory import Memory

LLAMA, QWEN, GEMMA, _ = models.SHELF


@pytest.fixture
def memory() -> Memory:
    return Memory()


def names(memory: Memory, now: float) -> list[str]:
    return [resident.model.name for resident in memory.residents(now)]


def test_nothing_is_loaded_at_first(memory):
    assert not memory.holds(LLAMA, 0)
    assert names(memory, 0) == []


def test_an_idle_model_leaves_when_its_time_has_passed(memory):
    memory.take(LLAMA, 10)
    memory.release(LLAMA, 10, now=5)
    assert memory.holds(LLAMA, 14.9)
    assert not memory.holds(LLAMA, 15)


def test_a_busy_model_stays(memory):
    memory.take(LLAMA, 10)
    assert memory.holds(LLAMA, 1e9)
    assert memory.residents(1e9)[0].leaves_at(1e9) == 1e9 + 10


def test_a_model_that_is_not_to_be_kept_stays_while_it_works(memory):
    memory.take(LLAMA, 0)
    assert memory.holds(LLAMA, 5)


def test_a_model_that_is_kept_for_ever_never_leaves(memory):
    memory.take(LLAMA, math.inf)
    memory.release(LLAMA, math.inf, now=0)
    assert memory.holds(LLAMA, 1e12)


def test_a_model_that_is_not_to_be_kept_leaves_with_its_job(memory):
    memory.take(LLAMA, 0)
    memory.release(LLAMA, 0, now=5)
    assert not memory.holds(LLAMA, 5)


def test_the_longest_to_live_comes_first(memory):
    for model, keep_s in ((LLAMA, 5), (QWEN, math.inf), (GEMMA, 50)):
        memory.take(model, keep_s)
        memory.release(model, keep_s, now=0)
    assert names(memory, 1) == [QWEN.name, GEMMA.name, LLAMA.name]
    assert names(memory, 6) == [QWEN.name, GEMMA.name]


def test_a_model_that_never_loaded_is_not_there_after_its_job(memory):
    memory.release(LLAMA, 10, now=0)
    assert not memory.holds(LLAMA, 1)


def test_a_dropped_model_is_gone(memory):
    memory.take(LLAMA, 10)
    memory.drop(LLAMA)
    memory.drop(LLAMA)
    assert names(memory, 0) == []
