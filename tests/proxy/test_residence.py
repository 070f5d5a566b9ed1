import pytest

from ollamon.proxy.residence import Findings, LoadReason, Residence, Resident

NOW = 1_000.0
KEPT = Resident(4096, NOW + 300)


def polled(residence: Residence, *running: str, wall: float = NOW, **models: Resident) -> Findings:
    return residence.poll(models, running, wall)


def loaded_for(residence: Residence, wall: float = NOW, **models: Resident) -> LoadReason:
    """One cold load of `m` through the proxy, and the poll after it."""
    assert residence.use("m", 3.0)
    (only,) = polled(residence, wall=wall, **models).loads
    assert only[0] == "m"
    return only[1]


@pytest.mark.parametrize(
    ("load_s", "is_in_memory", "is_cold"),
    [
        (None, False, False),
        (0.0, False, False),
        (0.05, True, False),
        (0.05, False, True),
        (0.2, True, True),
        (7.0, False, True),
    ],
)
def test_a_load_is_cold_when_it_is_long_or_the_model_was_absent(load_s, is_in_memory, is_cold):
    residence = Residence()
    polled(residence, **({"m": KEPT} if is_in_memory else {}))
    assert residence.use("m", load_s) is is_cold


def test_before_the_first_poll_a_short_load_is_warm():
    assert not Residence().use("m", 0.05)


def test_the_first_load_of_a_model_is_the_first():
    residence = Residence()
    polled(residence)
    assert loaded_for(residence, m=KEPT) is LoadReason.FIRST


def test_a_model_that_was_due_has_expired():
    residence = Residence()
    polled(residence, m=Resident(4096, NOW))
    polled(residence, wall=NOW + 5)
    assert loaded_for(residence, m=KEPT) is LoadReason.EXPIRED


def test_a_model_that_left_before_it_was_due_was_evicted():
    residence = Residence()
    polled(residence, m=KEPT)
    polled(residence, other=KEPT)
    assert loaded_for(residence, m=KEPT) is LoadReason.EVICTED


def test_another_context_length_is_a_load_for_other_options():
    residence = Residence()
    polled(residence, m=KEPT)
    assert loaded_for(residence, m=Resident(8192, NOW + 300)) is LoadReason.OPTIONS


def test_a_model_that_seems_never_to_have_left_was_loaded_for_unknown_reasons():
    residence = Residence()
    polled(residence, m=KEPT)
    assert loaded_for(residence, m=KEPT) is LoadReason.UNKNOWN


def test_each_cold_load_between_two_polls_counts():
    residence = Residence()
    polled(residence)
    residence.use("m", 1.0)
    residence.use("m", 1.0)
    assert polled(residence, m=KEPT).loads == (("m", LoadReason.FIRST), ("m", LoadReason.UNKNOWN))
    assert polled(residence, m=KEPT).loads == ()


def test_loads_are_told_even_when_ollama_is_not():
    residence = Residence()
    residence.use("m", 1.0)
    assert residence.poll(None, (), NOW).loads == (("m", LoadReason.FIRST),)


def test_a_model_that_nobody_asked_us_for_was_used_around_us():
    residence = Residence()
    polled(residence)
    assert polled(residence, m=KEPT).bypassed == ("m",)
    assert polled(residence, m=KEPT).bypassed == ()
    assert polled(residence, m=Resident(4096, NOW + 400)).bypassed == ("m",)


def test_a_use_of_ours_is_no_bypass():
    residence = Residence()
    polled(residence)
    residence.use("m", 1.0)
    assert polled(residence, m=KEPT).bypassed == ()
    # It ended just before the poll, and its expiry is seen at the next one.
    assert polled(residence, m=Resident(4096, NOW + 305)).bypassed == ()
    assert polled(residence, m=Resident(4096, NOW + 400)).bypassed == ("m",)


def test_a_request_that_runs_is_a_use_of_ours():
    residence = Residence()
    polled(residence)
    assert polled(residence, "m", m=KEPT).bypassed == ()


def test_what_was_in_memory_before_we_looked_tells_nothing():
    residence = Residence()
    assert polled(residence, m=KEPT).bypassed == ()
    residence.poll(None, (), NOW)
    assert polled(residence, m=Resident(4096, NOW + 900)).bypassed == ()


def test_a_model_that_is_kept_for_ever_or_expires_earlier_tells_nothing():
    residence = Residence()
    polled(residence, m=KEPT, n=Resident())
    assert polled(residence, m=Resident(4096, NOW + 1), n=KEPT).bypassed == ()
