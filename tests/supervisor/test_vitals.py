import pytest

from ollamon.supervisor.spec import Rhythm
from ollamon.supervisor.vitals import Verdict, Vitals, verdict_of_silence

RHYTHM = Rhythm()


def looks(text: str) -> list[Verdict | None]:
    """Feed looks, `+` good and `-` bad; return the verdict after each."""
    vitals, verdicts = Vitals(RHYTHM), []
    for sign in text:
        vitals, verdict = vitals.looked(sign == "+")
        verdicts.append(verdict)
    return verdicts


def test_three_bad_looks_in_a_row_are_unwell_and_two_good_ones_well():
    none = None
    assert looks("--+--") == [none] * 5
    assert looks("---") == [none, none, Verdict.UNWELL]
    assert looks("----+") == [none, none, Verdict.UNWELL, none, none]
    assert looks("---+-++") == [none, none, Verdict.UNWELL, none, none, none, Verdict.WELL]


def test_six_failed_liveness_probes_in_a_row_are_death():
    vitals, verdicts = Vitals(RHYTHM), []
    for sign in "-----+------":
        vitals, verdict = vitals.lived(sign == "+")
        verdicts.append(verdict)
    assert verdicts == [None] * 11 + [Verdict.DEAD]


def test_readiness_and_liveness_share_no_fate():
    vitals = Vitals(RHYTHM)
    for _ in range(20):
        vitals, _ = vitals.looked(False)
    assert vitals.dead == 0


@pytest.mark.parametrize(
    ("age_s", "is_well", "verdict"),
    [
        (0.0, True, None),
        (14.9, True, None),
        (15.0, True, Verdict.UNWELL),
        (15.0, False, None),
        (0.0, False, Verdict.WELL),
        (59.9, False, None),
        (60.0, False, Verdict.DEAD),
        (60.0, True, Verdict.DEAD),
    ],
)
def test_silence_is_judged_by_its_age(age_s, is_well, verdict):
    assert verdict_of_silence(age_s, RHYTHM, is_well=is_well) == verdict
