import pytest

from ollamon.metrics.requests import Outcome
from ollamon.proxy.events import Report, Usage
from ollamon.proxy.observation import End, Observation, decode_of
from ollamon.proxy.records import RequestInFlight
from ollamon.proxy.routes import route_of
from ollamon.proxy.tap import AnswerHead, Ending

NDJSON = AnswerHead(200, "application/x-ndjson", False)


class Heard:
    """Listens to one observation."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.errors: list[Exception] = []
        self.ends: list[End] = []

    def renamed(self, _: Observation, name: str) -> None:
        self.names.append(name)

    def failed(self, error: Exception) -> None:
        self.errors.append(error)

    def ended(self, _: Observation, end: End) -> None:
        self.ends.append(end)


def observe(heard: Heard, target: str = "/api/chat") -> Observation:
    return Observation(heard, 7, "POST", route_of(target), 10.0)


def seen(first: float | None, last: float | None, usage: Usage) -> Report:
    return Report(is_stream=True, usage=usage, first_token_at=first, last_token_at=last)


@pytest.mark.parametrize(
    ("report", "rate", "is_valid"),
    [
        (seen(1, 3, Usage(generated_tokens=5, decode_s=0.5)), 10, True),
        (seen(1, 3, Usage(generated_tokens=5)), 2, True),
        (seen(1, 3, Usage(generated_tokens=5, decode_s=0.0)), 2, True),
        (seen(1, 3, Usage(generated_tokens=1)), None, True),
        (seen(1, 1, Usage(generated_tokens=5)), None, True),
        (seen(None, None, Usage(generated_tokens=5)), None, True),
        (seen(1, 3, Usage(generated_tokens=0, decode_s=1.0)), None, True),
        (seen(1, 3, Usage()), None, True),
        (seen(1, 1 + 1e-6, Usage(generated_tokens=38)), None, True),
        (seen(1, 3, Usage(generated_tokens=5, decode_s=1e-9)), None, False),
        (Report(is_stream=True), None, True),
    ],
)
def test_the_speed_of_an_answer(report, rate, is_valid):
    decode, makes_sense = decode_of(report)
    assert (decode and decode.rate, makes_sense) == (rate, is_valid)


def test_the_first_token_is_timed_from_the_last_byte_of_the_request():
    heard = Heard()
    tap = observe(heard)
    tap.request_complete(12.0)
    read = tap.answer_began(NDJSON, 13.0)
    read(b'{"message":{"content":""}}\n', 14.0)
    read(b'{"message":{"thinking":"x"}}\n', 15.5)
    read(b'{"done":true}\n', 16.0)
    tap.ended(Ending.COMPLETE, 200, 17.0)
    (end,) = heard.ends
    assert (end.outcome, end.first_token_s, end.duration_s) == (Outcome.OK, 3.5, 7.0)


def test_a_token_before_the_request_is_whole_has_no_time():
    heard = Heard()
    tap = observe(heard)
    read = tap.answer_began(NDJSON, 13.0)
    read(b'{"message":{"content":"x"}}\n{"done":true}\n', 14.0)
    tap.ended(Ending.COMPLETE, 200, 15.0)
    assert heard.ends[0].first_token_s is None


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"model":"m"}', ["m"]),
        (b' \n{ "model" :\t"m" }', ["m"]),
        (b'{"messages":[{"content":"say \\"model\\":\\"x\\""}],"model":"m"}', ["m"]),
        (b'{"prompt":"x"}', []),
        (b'GGUF"model":"m"', []),
        (b'[{"model":"m"}]', []),
        (b"", []),
    ],
    ids=repr,
)
def test_the_model_is_read_off_the_beginning_of_the_body(body, names):
    whole, by_byte = Heard(), Heard()
    observe(whole).request_read(body)
    tap = observe(by_byte)
    for byte in body:
        tap.request_read(bytes([byte]))
    assert whole.names == by_byte.names == names


def test_the_answer_names_the_model_better_than_the_request():
    heard = Heard()
    tap = observe(heard)
    tap.request_read(b'{"model":"asked"}')
    read = tap.answer_began(NDJSON, 13.0)
    read(b'{"model":"answered","done":true}\n', 14.0)
    tap.ended(Ending.COMPLETE, 200, 15.0)
    assert heard.ends[0].model_name == "answered"


def test_a_route_that_tells_nothing_is_counted_and_not_read():
    heard = Heard()
    tap = observe(heard, "/api/show")
    read = tap.answer_began(NDJSON, 13.0)
    read(b"[" * 100, 14.0)
    tap.ended(Ending.COMPLETE, 200, 15.0)
    assert heard.ends[0].outcome is Outcome.OK
    assert not heard.ends[0].is_served
    assert not heard.errors


def test_a_running_request_tells_its_age_and_phase():
    tap = observe(Heard())
    assert tap.view(12.5, tap.phase) == RequestInFlight(
        *(7, "POST", "/api/chat", "unknown", "unknown", 2.5, "receiving", 0, None)
    )
