import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamon.dashboard.history.packing import packed, unpacked
from ollamon.dashboard.history.steps import Key, Level, Step

KEYS = [Key(f"name{i}", (("model", f"m{i}"),)) for i in range(20)]
NUMBER = {key: i + 1 for i, key in enumerate(KEYS)}
KEY = {i: key for key, i in NUMBER.items()}
value = st.floats(allow_nan=False, allow_infinity=False)
step = st.builds(
    Step,
    st.just(1500),
    st.dictionaries(st.sampled_from(KEYS), value),
    st.dictionaries(st.sampled_from(KEYS), st.builds(Level, value, value, value)),
    st.sets(st.sampled_from(KEYS)),
)


@given(step)
def test_what_is_packed_comes_back(made):
    assert unpacked(packed(made, NUMBER.__getitem__), 1500, KEY.get) == made


def test_a_series_that_nobody_knows_is_left_out():
    made = Step(15, {KEYS[0]: 1.0, KEYS[1]: 2.0}, {KEYS[2]: Level(1, 2, 3)}, {KEYS[3]})
    data = packed(made, NUMBER.__getitem__)
    assert unpacked(data, 15, {2: KEYS[1]}.get) == Step(15, {KEYS[1]: 2.0})


@pytest.mark.parametrize("cut", [0, 1, 8, -1])
def test_bytes_that_were_cut_are_refused(cut):
    data = packed(Step(15, {KEYS[0]: 1.0}), NUMBER.__getitem__)
    with pytest.raises(ValueError, match="cannot unpack a step"):
        unpacked(data[:cut], 15, KEY.get)


def test_an_idle_step_takes_a_few_bytes():
    assert len(packed(Step(15), NUMBER.__getitem__)) < 20
