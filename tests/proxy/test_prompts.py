import json

import pytest

from ollamon.proxy.prompts import LEARNED_FROM, MOST_TEXT, PromptText, TokenWeight

CONTEXT = 4096


def taught(count: int = LEARNED_FROM, size: int = 4_000, tokens: int = 1_000) -> TokenWeight:
    """One that has seen so many prompts of four bytes a token."""
    weight = TokenWeight()
    for _ in range(count):
        assert not weight.is_cut(size, tokens, CONTEXT)
    return weight


def test_a_body_that_would_not_have_fitted_was_cut():
    # 4 x 4096 x 1.3 = 21,299.2 bytes.
    assert taught().is_cut(21_300, CONTEXT, CONTEXT)
    assert not taught().is_cut(21_299, CONTEXT, CONTEXT)


def test_nothing_is_suspected_before_enough_was_seen():
    assert not taught(LEARNED_FROM - 1).is_cut(100_000, CONTEXT, CONTEXT)
    assert taught(LEARNED_FROM).is_cut(100_000, CONTEXT, CONTEXT)


def test_a_count_beyond_the_context_was_not_cut_to_it():
    assert not taught().is_cut(100_000, CONTEXT + 1, CONTEXT)


@pytest.mark.parametrize("context", [None, 0])
def test_without_a_known_context_nothing_is_suspected(context):
    assert not taught().is_cut(100_000, 100, context)


def test_a_count_of_none_teaches_nothing():
    weight = TokenWeight()
    for _ in range(100):
        assert not weight.is_cut(4_000, 0, CONTEXT)
    assert not weight.is_cut(100_000, 1_000, CONTEXT)


def test_a_prompt_that_was_cut_does_not_teach_that_tokens_are_heavy():
    weight = taught()
    for _ in range(1_000):
        assert weight.is_cut(60_000, CONTEXT, CONTEXT)


def test_other_use_is_learned_in_time():
    weight = taught(10_000)
    for _ in range(500):
        assert not weight.is_cut(8_000, 1_000, CONTEXT)
    # Eight bytes a token by now, or nearly.
    assert not weight.is_cut(38_000, CONTEXT, CONTEXT)
    assert weight.is_cut(44_000, CONTEXT, CONTEXT)


def test_the_largest_numbers_are_numbers_like_any_other():
    assert not taught().is_cut(2**62, 2**53, CONTEXT)
    assert taught().is_cut(2**62, 1, CONTEXT)


TEXT = {"model": "m", "messages": [{"role": "user", "content": 'an "image", "images": ["x"]'}]}
WITH_IMAGE = {
    "ollama chat": {"messages": [{"role": "user", "content": "?", "images": ["aGk="]}]},
    "ollama generate": {"prompt": "?", "images": ["aGk="]},
    "openai chat": {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
    "openai responses": {"input": [{"content": [{"type": "input_image", "image_url": "x"}]}]},
    "anthropic": {"messages": [{"content": [{"type": "image", "source": {"data": "x"}}]}]},
}


def is_alone(body: bytes, size: int) -> bool:
    text = PromptText()
    for start in range(0, len(body), size):
        text.feed(body[start : start + size])
    return text.is_alone


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
@pytest.mark.parametrize("document", WITH_IMAGE.values(), ids=WITH_IMAGE)
def test_an_image_is_seen_in_every_dialect_however_the_body_is_cut(document, size):
    assert not is_alone(json.dumps(document).encode(), size)
    assert not is_alone(json.dumps(document, separators=(",", ":")).encode(), size)


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_a_text_that_speaks_of_images_holds_none(size):
    assert is_alone(json.dumps(TEXT).encode(), size)


def test_a_body_too_large_to_be_looked_through_counts_as_no_text():
    assert is_alone(b"x" * MOST_TEXT, 65_536)
    assert not is_alone(b"x" * (MOST_TEXT + 1), 65_536)
