import pytest

from ollamon.proxy.exchange import Exchange, note_connection, refuse
from ollamon.proxy.routes import route_of
from ollamon.proxy.tap import AnswerHead, Ending, Rejection
from tests.fakes.meter import Boom, RecordingMeter

HEAD = AnswerHead(200, "application/json", False)


def run(meter: RecordingMeter) -> Exchange:
    exchange = Exchange(meter, "POST", route_of("/api/chat"), 1.0)
    exchange.request_read(b"{")
    exchange.request_complete(2.0)
    reads = exchange.answer_began(HEAD, 3.0)
    for data in (b"{", b"}"):
        try:
            reads(data, 4.0)
        except Boom as error:
            reads = exchange.blinded(error)
    exchange.ended(Ending.COMPLETE, 5.0)
    return exchange


CALLS = ["request_read", "request_complete", "answer_began", *["answer_read"] * 2, "ended"]


def test_a_tap_sees_its_exchange_from_begin_to_end():
    meter = RecordingMeter()
    exchange = run(meter)
    assert meter.taps[0].calls == CALLS
    assert (meter.taps[0].ending, meter.taps[0].status) == (Ending.COMPLETE, 200)
    assert exchange.is_over
    assert meter.errors == []


@pytest.mark.parametrize("failing", sorted({*CALLS}))
def test_a_tap_that_raises_sees_nothing_more_but_its_end(failing):
    meter = RecordingMeter(frozenset({failing}))
    run(meter)
    seen = CALLS[: CALLS.index(failing) + 1] + ["blinded"] * (failing == "answer_read")
    assert meter.taps[0].calls == (seen if failing == "ended" else [*seen, "ended"])
    assert [error.where for error in meter.errors] == [failing]


def test_a_meter_that_raises_everywhere_harms_nobody():
    meter = RecordingMeter(frozenset({"began", "connected", "failed", "refused"}))
    run(meter)
    refuse(meter, Rejection.HOST)
    note_connection(meter, 0.1)
    assert [error.where for error in meter.errors] == ["began", "refused", "connected"]


def test_a_tap_that_cannot_even_be_blinded_is_left_alone():
    meter = RecordingMeter(frozenset({"answer_read", "blinded"}))
    run(meter)
    assert meter.taps[0].reads == [b"{"]
    assert [error.where for error in meter.errors] == ["answer_read", "blinded"]


def test_an_exchange_ends_once():
    meter = RecordingMeter()
    exchange = Exchange(meter, "GET", route_of("/"), 1.0)
    exchange.ended(Ending.UPSTREAM_REFUSED, 2.0, 502)
    exchange.ended(Ending.CLIENT_GONE, 3.0)
    assert (meter.taps[0].ending, meter.taps[0].status) == (Ending.UPSTREAM_REFUSED, 502)
    assert meter.taps[0].calls == ["ended"]
