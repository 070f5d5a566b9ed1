from random import Random

import pytest

from ollamon.demo import models, pacing
from ollamon.demo.pacing import Job

LLAMA = models.find("llama3.2:3b")
QWEN = models.find("qwen3:8b")
SEEDS = range(200)


def job(model=LLAMA, **changes) -> Job:
    return Job(model, model.name, **({"prompt_tokens": 100} | changes))


def test_the_same_seed_gives_the_same_answer_at_the_same_pace():
    assert pacing.plan_answer(job(), Random(7)) == pacing.plan_answer(job(), Random(7))
    assert pacing.plan_answer(job(), Random(7)) != pacing.plan_answer(job(), Random(8))


@pytest.mark.parametrize("seed", SEEDS)
def test_an_answer_that_ends_itself_counts_the_end_token(seed):
    plan = pacing.plan_answer(job(), Random(seed))
    assert plan.done_reason == "stop"
    assert plan.generated == len(plan.pieces) + 1
    text = "".join(piece.text for piece in plan.pieces)
    assert text[0].isupper()
    assert text.endswith(".")


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_an_answer_that_is_cut_counts_what_was_said(limit):
    plan = pacing.plan_answer(job(limit=limit), Random(1))
    assert plan.done_reason == "length"
    assert plan.generated == len(plan.pieces) == limit


def test_a_limit_that_is_not_reached_changes_nothing():
    assert pacing.plan_answer(job(limit=10_000), Random(1)) == pacing.plan_answer(job(), Random(1))


def test_a_limit_of_exactly_the_length_leaves_no_room_for_the_end_token():
    free = pacing.plan_answer(job(), Random(1))
    cut = pacing.plan_answer(job(limit=len(free.pieces)), Random(1))
    assert cut.done_reason == "length"
    assert cut.generated == len(free.pieces)


def test_thoughts_come_before_the_answer():
    plan = pacing.plan_answer(job(QWEN, thinks=True), Random(1))
    kinds = [piece.is_thought for piece in plan.pieces]
    assert set(kinds) == {True, False}
    assert kinds == sorted(kinds, reverse=True)


def test_without_thinking_there_are_none():
    plan = pacing.plan_answer(job(QWEN), Random(1))
    assert not any(piece.is_thought for piece in plan.pieces)


def test_a_longer_prompt_takes_longer_in_proportion():
    short = pacing.prompt_s(LLAMA, 1000, Random(1))
    assert pacing.prompt_s(LLAMA, 10_000, Random(1)) > 8 * short


def test_a_cold_load_takes_seconds_and_a_warm_one_milliseconds():
    assert pacing.load_s(LLAMA, False, Random(1)) > 1
    assert 0.001 <= pacing.load_s(LLAMA, True, Random(1)) <= 0.004


@pytest.mark.parametrize("model", [LLAMA, QWEN], ids=lambda model: model.name)
def test_tokens_come_at_about_the_models_rate(model):
    gaps = [gap for seed in SEEDS for gap in pacing.plan_answer(job(model), Random(seed)).gaps_s]
    assert 0.8 < len(gaps) / sum(gaps) / model.decode_rate < 1.05
    assert len(set(gaps)) > len(gaps) / 2
    assert min(gaps) > 0


def test_an_embedding_depends_on_its_text_alone_and_has_length_one():
    vector = pacing.embedding("a", 768)
    assert vector == pacing.embedding("a", 768) != pacing.embedding("b", 768)
    assert sum(value * value for value in vector) == pytest.approx(1, abs=1e-4)
