import pytest

from ollamon.proxy.events import (
    MAX_COUNT,
    Invalid,
    Usage,
    checked_cache,
    count_of,
    counts_of,
    object_of,
    objects_of,
    text_of,
)


@pytest.mark.parametrize("value", [0, 1, MAX_COUNT])
def test_a_count_is_an_int_in_range(value):
    assert count_of(value) == value


@pytest.mark.parametrize(
    "value",
    [None, True, False, -1, MAX_COUNT + 1, 10**400, 1.0, float("nan"), float("inf"), "1", [], {}],
    ids=lambda value: str(value)[:12] + type(value).__name__,
)
def test_anything_else_is_none(value):
    assert count_of(value) is None


def test_counts_tell_unreported_from_invalid():
    document = {"a": 1, "b": None, "c": True, "d": -1}
    found, bad = counts_of(document, "a", "b", "c", "d", "missing")
    assert found == (1, None, None, None, None)
    assert bad == (Invalid(), Invalid())


@pytest.mark.parametrize(
    ("cached", "prompt", "kept", "is_bad"),
    [(None, 5, None, False), (0, 5, 0, False), (5, 5, 5, False), (6, 5, None, True)],
)
def test_no_more_can_be_cached_than_was_sent(cached, prompt, kept, is_bad):
    assert checked_cache(cached, prompt) == (kept, (Invalid(),) if is_bad else ())
    assert checked_cache(1, None) == (None, (Invalid(),))


def test_a_later_usage_fills_its_gaps_from_the_earlier_one():
    later, earlier = Usage(generated_tokens=2, load_s=0.0), Usage(25, 1, 24, load_s=3.0)
    assert later.over(earlier) == Usage(25, 2, 24, load_s=0.0)


def test_values_of_the_wrong_type_are_empty():
    assert text_of(3) == ""
    assert text_of("x") == "x"
    assert object_of([]) == {}
    assert list(objects_of({"a": 1})) == []
    assert list(objects_of([1, {"a": 1}, None])) == [{"a": 1}]
