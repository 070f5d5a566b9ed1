import math

from hypothesis import given
from hypothesis import strategies as st

from ollamon.dashboard.history.steps import COUNTERS, Accumulator, Key, Level, Step, folded
from ollamon.metrics import catalog
from ollamon.metrics.series import Sample

TOKENS = catalog.GENERATED_TOKENS.name
ACTIVE = catalog.ACTIVE_REQUESTS.name
A = Key(TOKENS, (("model", "a"),))
G = Key(ACTIVE, (("model", "a"),))
# A whole hour, so that the first step after it is a usual one.
START = 1_800_000_000


def tokens(value: float) -> Sample:
    return Sample(TOKENS, {"model": "a"}, value)


def active(value: float) -> Sample:
    return Sample(ACTIVE, {"model": "a"}, value)


def steps_of(*scrapes: tuple[float, list[Sample]], made: Accumulator | None = None) -> list[Step]:
    accumulator = made or Accumulator()
    for t, samples in scrapes:
        accumulator.take(START + t, samples)
    return accumulator.finish()


def test_growth_is_summed_within_a_step_and_over_resets():
    first, second = steps_of(
        (5, [tokens(100)]), (10, [tokens(107)]), (15, [tokens(110)]), (20, [tokens(4)])
    )
    assert (first.t - START, first.growth) == (15, {A: 10})
    assert (second.t - START, second.growth) == (30, {A: 4})


def test_what_does_not_change_is_named_once_and_at_each_full_hour():
    scrapes = [(t, [tokens(7), active(2)]) for t in range(5, 3630, 5)]
    steps = steps_of(*scrapes)
    assert [step.t - START for step in steps if step.growth or step.levels] == [15, 3600]
    assert steps[0].growth == {A: 0}
    assert steps[0].levels == {G: Level(2, 2, 2)}


def test_a_level_has_its_last_value_and_its_extremes():
    first, second = steps_of(
        (5, [active(2)]), (10, [active(9)]), (15, [active(3)]), (20, [active(1)])
    )
    assert first.levels == {G: Level(3, 2, 9)}
    # It was 3 when the step began.
    assert second.levels == {G: Level(1, 1, 3)}


def test_the_end_of_a_series_is_noted_and_its_return_too():
    gone, back = steps_of(
        (5, [tokens(5), active(1)]), (10, []), (20, [tokens(50), active(1)]), (25, [tokens(51)])
    )
    assert gone.ended == {A, G}
    assert back.growth == {A: 1}
    assert back.levels == {G: Level(1, 1, 1)}
    assert back.ended == {G}


def test_a_restart_loses_no_growth_and_a_long_silence_makes_no_burst():
    before = Accumulator()
    before.take(START, [tokens(100)])
    for silence, growth in ((20, 30), (1000, 0)):
        after = Accumulator(*before.counters)
        (step,) = steps_of((silence, [tokens(130)]), made=after)
        assert step.growth == {A: growth}


def test_a_clock_that_is_set_back_begins_anew():
    accumulator = Accumulator()
    accumulator.take(START + 100, [tokens(50)])
    accumulator.take(START, [tokens(60)])
    (step,) = accumulator.finish()
    assert (step.t, step.growth) == (START, {A: 0})


def test_what_is_no_number_is_not_kept():
    (step,) = steps_of((5, [active(math.nan), active(math.inf)]))
    assert step == Step(START + 15)


def test_a_step_without_a_scrape_is_missing():
    steps = steps_of((5, [tokens(1)]), (100, [tokens(2)]))
    assert [step.t - START for step in steps] == [15, 105]


def test_all_that_grows_is_known():
    assert {TOKENS, f"{catalog.TIME_TO_FIRST_TOKEN.name}_bucket"} <= COUNTERS
    assert ACTIVE not in COUNTERS


SCRAPE = st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 9), st.booleans())


@given(st.lists(SCRAPE, max_size=60))
def test_coarse_steps_say_what_the_fine_ones_do(scrapes):
    """Sums, last values, extremes and ends: of many steps, as of one taken whole."""
    fine, value = Accumulator(), 0
    levels: list[int] = []
    for i, (is_there, growth, level, is_reset) in enumerate(scrapes):
        value = growth if is_reset else value + growth
        samples = [tokens(value), active(level)] if is_there else []
        fine.take(START + 1 + 5 * i, samples)
        levels += [level] if is_there else []
    steps = fine.finish()
    whole = folded(steps, START)
    assert whole.growth.get(A, 0) == sum(step.growth.get(A, 0) for step in steps)
    if levels:
        assert (whole.levels[G].low, whole.levels[G].high) == (min(levels), max(levels))
        assert whole.levels[G].last == levels[-1]
        assert (G in whole.ended) is not scrapes[-1][0]
