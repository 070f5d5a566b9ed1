import dataclasses
import gzip
import itertools
import json
import random
import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from ollamon.metrics import catalog
from ollamon.metrics.instruments import Instruments
from ollamon.metrics.requests import RequestRecord
from ollamon.proxy.agents import ClientKind
from ollamon.proxy.exchange import Exchange
from ollamon.proxy.labels import METHODS
from ollamon.proxy.recorder import Recorder
from ollamon.proxy.residence import Resident
from ollamon.proxy.routes import ENDPOINTS, route_of
from ollamon.proxy.tap import AnswerHead, Ending, Rejection, Tap
from ollamon.readings import Cpu, Platform, Reading, Source, SourceState, State, System

NDJSON = AnswerHead(200, "application/x-ndjson", False)
SSE = AnswerHead(200, "text/event-stream", False)
JSON = AnswerHead(200, "application/json", False)
CHAT = route_of("/api/chat")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HERE = Platform(System.LINUX, "6.1", "x86_64", None, False)
READING = Reading("0.1.0", "2026-08-25T10:00:00.123Z", 100.0, 5.0, HERE)
SAYS = b'{"model":"tiny","message":{"role":"assistant","content":" The"},"done":false}\n'
ENDS = (
    b'{"model":"tiny","message":{"role":"assistant","content":""},"done":true,'
    b'"done_reason":"stop","total_duration":900000000,"load_duration":100000000,'
    b'"prompt_eval_count":25,"prompt_eval_duration":200000000,"eval_count":38,'
    b'"eval_duration":500000000}\n'
)

RECENT = 200


class Stack:
    def __init__(self, max_models: int = 25) -> None:
        self.registry = CollectorRegistry()
        self.instruments = Instruments(self.registry)
        self.recorder = Recorder(
            self.instruments,
            max_models=max_models,
            recent=RECENT,
            clock=lambda: 100.0,
            wall=lambda: 1.7e9,
        )

    def value(self, metric: catalog.Metric, suffix: str = "", **labels: str) -> float | None:
        return self.registry.get_sample_value(metric.name + suffix, labels)

    def total(self, metric: catalog.Metric) -> float:
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == metric.name
        )

    def balances(self) -> bool:
        ended, active = self.total(catalog.REQUESTS), self.total(catalog.ACTIVE_REQUESTS)
        accepted = self.total(catalog.REQUESTS_ACCEPTED)
        return accepted == ended + active and ended == self.total(catalog.REQUEST_OUTCOMES)

    def chat(
        self,
        *reads: bytes,
        name: str = "tiny",
        head: AnswerHead | None = NDJSON,
        ending: Ending = Ending.COMPLETE,
        target: str = "/api/chat",
    ) -> None:
        """One exchange: head at 1 s, request whole at 2 s, then a read each second from 3 s on."""
        exchange = Exchange(self.recorder, "POST", route_of(target), 1.0)
        exchange.request_read(json.dumps({"model": name, "messages": []}).encode())
        exchange.request_complete(2.0)
        moment = itertools.count(3.0)
        if head is not None:
            read = exchange.answer_began(head, 2.5)
        for data in reads:
            try:
                read(data, next(moment))
            except ZeroDivisionError as error:
                read = exchange.blinded(error)
        exchange.ended(ending, next(moment))


@pytest.fixture
def stack() -> Stack:
    made = Stack()
    made.recorder.known_models(["tiny:latest"])
    return made


def test_a_stream_is_one_request_with_its_tokens_and_times(stack):
    stack.chat(SAYS, SAYS, ENDS)

    assert (
        stack.value(
            *(catalog.REQUESTS,), method="POST", endpoint="/api/chat", model="tiny", status="200"
        )
        == 1
    )
    assert stack.value(catalog.PROMPT_TOKENS, model="tiny") == 25
    assert stack.value(catalog.GENERATED_TOKENS, model="tiny") == 38
    assert stack.value(catalog.TIME_TO_FIRST_TOKEN, "_sum", model="tiny") == 1.0
    assert stack.value(catalog.TIME_TO_FIRST_TOKEN, "_count", model="tiny") == 1
    assert stack.value(catalog.TOKENS_PER_SECOND, "_sum", model="tiny") == 76
    assert stack.value(catalog.MODEL_LOAD_DURATION, "_sum", model="tiny") == 0.1
    assert (
        stack.value(
            *(catalog.REQUEST_DURATION, "_sum"), method="POST", endpoint="/api/chat", model="tiny"
        )
        == 5.0
    )
    assert (
        stack.value(catalog.REQUEST_OUTCOMES, endpoint="/api/chat", model="tiny", outcome="ok") == 1
    )
    assert stack.value(catalog.ACTIVE_REQUESTS, model="tiny") == 0
    assert stack.value(catalog.ACTIVE_REQUESTS, model="unknown") == 0
    assert stack.balances()


def test_the_record_of_an_observed_request_is_named_beside_it(stack):
    tap = stack.recorder.began("POST", CHAT, 1.0, trace=TRACE)
    tap.request_complete(2.0)
    read = tap.answer_began(NDJSON, 2.5)
    read(SAYS, 8.0)
    read(ENDS, 9.0)
    tap.ended(Ending.COMPLETE, 200, 10.0)
    stack.chat(SAYS, ENDS)
    slow, quick = stack.recorder.recent()
    traced = {"request_id": str(slow.id), "trace_id": TRACE}
    plain = {"request_id": str(quick.id)}
    told: dict[str, dict[str, dict[str, str]]] = {}
    for family in stack.registry.collect():
        for sample in family.samples:
            if sample.exemplar:
                buckets = told.setdefault(family.name, {})
                buckets[sample.labels["le"]] = sample.exemplar.labels
    assert told == {
        catalog.REQUEST_DURATION.name: {"5.0": plain, "10.0": traced},
        catalog.TIME_TO_FIRST_TOKEN.name: {"1.0": plain, "7.5": traced},
        catalog.TOKENS_PER_SECOND.name: {"100.0": plain},
    }
    histograms = [each for each in catalog.CATALOG if isinstance(each, catalog.Histogram)]
    assert told.keys() == {each.name for each in histograms if each.has_exemplars}


@pytest.mark.parametrize("asked", ["", '"stream":true,', '"stream":false,'])
@pytest.mark.parametrize(("head", "first_tokens"), [(NDJSON, 1), (JSON, 0)])
def test_what_streams_is_told_by_the_answer_and_not_by_the_request(
    stack, asked, head, first_tokens
):
    """Ollama streams when nothing is said of it, and so do most of its users."""
    tap = stack.recorder.began("POST", CHAT, 1.0)
    tap.request_read(b'{%s"model":"tiny"}' % asked.encode())
    tap.request_complete(1.0)
    read = tap.answer_began(head, 2.0)
    read(SAYS if head is NDJSON else ENDS, 3.0)
    read(ENDS if head is NDJSON else b"", 4.0)
    tap.ended(Ending.COMPLETE, 200, 5.0)
    assert stack.value(catalog.GENERATED_TOKENS, model="tiny") == 38
    assert stack.value(catalog.TIME_TO_FIRST_TOKEN, "_count", model="tiny") == first_tokens
    assert stack.recorder.recent()[0].is_stream == bool(first_tokens)


def test_time_per_token_is_one_over_tokens_per_second(stack):
    stack.chat(SAYS, ENDS)
    rate = stack.value(catalog.TOKENS_PER_SECOND, "_sum", model="tiny")
    per_token = stack.value(catalog.TIME_PER_OUTPUT_TOKEN, "_sum", model="tiny")
    assert rate * per_token == pytest.approx(1, abs=1e-9)


def test_without_durations_the_speed_is_what_was_seen_between_first_and_last_token(stack):
    chunk = b'data: {"model":"tiny","choices":[{"delta":{"content":"x"}}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n'
    ends = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    stack.chat(
        *(chunk, chunk, chunk, ends, usage, b"data: [DONE]\n\n"),
        head=SSE,
        target="/v1/chat/completions",
    )
    # First token at 3 s, last one at 5 s: 4 tokens in 2 s.
    assert stack.value(catalog.TOKENS_PER_SECOND, "_sum", model="tiny") == 2.0


def test_a_running_request_moves_from_unknown_to_the_model_that_its_body_names(stack):
    tap = stack.recorder.began("POST", CHAT, 1.0)
    assert stack.value(catalog.ACTIVE_REQUESTS, model="unknown") == 1
    for letter in b'{"stream": true, "model" : "tiny:latest", "messages":[]}':
        tap.request_read(bytes([letter]))
    assert stack.value(catalog.ACTIVE_REQUESTS, model="unknown") == 0
    assert stack.value(catalog.ACTIVE_REQUESTS, model="tiny") == 1
    (running,) = stack.recorder.in_flight()
    assert (running.model, running.phase, running.age_s) == ("tiny", "receiving", 99.0)
    tap.request_complete(2.0)
    assert stack.recorder.in_flight()[0].phase == "waiting"
    tap.answer_began(NDJSON, 3.0)
    assert stack.recorder.in_flight()[0].phase == "generating"
    tap.ended(Ending.CLIENT_GONE, 200, 4.0)
    assert stack.value(catalog.ACTIVE_REQUESTS, model="tiny") == 0
    assert stack.recorder.in_flight() == ()
    assert stack.balances()


def test_an_escaped_name_is_read_as_json_reads_it(stack):
    stack.recorder.known_models(["hf.co/someone/model:Q4"])
    tap = stack.recorder.began("POST", CHAT, 1.0)
    tap.request_read(rb'{"model":"hf.co\/someone\/model:Q4"}')
    assert stack.value(catalog.ACTIVE_REQUESTS, model="hf.co/someone/model:Q4") == 1


def test_a_name_that_is_no_json_is_other(stack):
    tap = stack.recorder.began("POST", CHAT, 1.0)
    tap.request_read(rb'{"model":"tin\y"}')
    assert stack.value(catalog.ACTIVE_REQUESTS, model="other") == 1


def test_a_stream_that_came_in_one_read_has_no_speed_of_its_own(stack):
    chunk = b'data: {"model":"tiny","choices":[{"delta":{"content":"x"}}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n'
    stack.chat(chunk * 5 + usage + b"data: [DONE]\n\n", head=SSE, target="/v1/chat/completions")
    assert stack.value(catalog.GENERATED_TOKENS, model="tiny") == 5
    assert stack.value(catalog.TOKENS_PER_SECOND, "_count", model="tiny") == 0


def test_a_model_named_beyond_the_first_4_kib_is_not_looked_for(stack):
    tap = stack.recorder.began("POST", CHAT, 1.0)
    tap.request_read(b'{"prompt":"' + b"x" * 5000 + b'",')
    tap.request_read(b'"model":"tiny"}')
    assert stack.value(catalog.ACTIVE_REQUESTS, model="unknown") == 1


def test_a_client_that_left_before_a_head_is_status_499(stack):
    stack.chat(head=None, ending=Ending.CLIENT_GONE)
    assert (
        stack.value(
            *(catalog.REQUESTS,), method="POST", endpoint="/api/chat", model="tiny", status="499"
        )
        == 1
    )
    assert (
        stack.value(
            catalog.REQUEST_OUTCOMES, endpoint="/api/chat", model="tiny", outcome="client_abort"
        )
        == 1
    )


def test_an_exchange_ends_once(stack):
    tap = stack.recorder.began("GET", route_of("/api/tags"), 1.0)
    tap.ended(Ending.COMPLETE, 200, 2.0)
    tap.ended(Ending.CLIENT_GONE, 200, 3.0)
    assert stack.total(catalog.REQUESTS) == 1
    assert stack.balances()


def test_all_outcomes_of_an_endpoint_begin_at_zero(stack):
    stack.chat(SAYS, ENDS)
    for outcome in ("timeout", "truncated", "upstream_error"):
        labels = {"endpoint": "/api/chat", "model": "tiny", "outcome": outcome}
        assert stack.value(catalog.REQUEST_OUTCOMES, **labels) == 0


def test_counters_with_few_labels_begin_at_zero():
    stack = Stack()
    assert stack.value(catalog.REJECTIONS, reason="host") == 0
    assert stack.value(catalog.UPSTREAM_ERRORS, reason="refused") == 0
    assert stack.value(catalog.EXTRACTION_ERRORS, reason="json") == 0
    assert stack.value(catalog.LABELS_DROPPED, label="model") == 0
    assert stack.value(catalog.REQUESTS_ACCEPTED) == 0
    assert stack.value(catalog.ACTIVE_REQUESTS, model="unknown") == 0


def test_a_request_that_runs_has_its_series_at_zero(stack):
    tap = stack.recorder.began("POST", CHAT, 1.0)
    tap.request_read(b'{"model":"tiny"}')
    labels = {"method": "POST", "endpoint": "/api/chat", "model": "tiny"}
    assert stack.value(catalog.REQUESTS, **labels, status="200") == 0
    assert stack.value(catalog.REQUEST_DURATION, "_count", **labels) == 0


def test_a_known_model_has_its_counters_before_its_first_request(stack):
    assert stack.value(catalog.GENERATED_TOKENS, model="tiny") == 0
    assert stack.value(catalog.TIME_TO_FIRST_TOKEN, "_count", model="tiny") == 0


def test_a_refused_request_is_counted_by_reason(stack):
    stack.recorder.refused(Rejection.HOST)
    assert stack.value(catalog.REJECTIONS, reason="host") == 1


def test_a_failed_upstream_is_counted_by_reason(stack):
    tap = stack.recorder.began("POST", CHAT, 1.0)
    tap.ended(Ending.UPSTREAM_REFUSED, 502, 2.0)
    assert stack.value(catalog.UPSTREAM_ERRORS, reason="refused") == 1


def test_a_stream_without_usage_leaves_tokens_as_they_were(stack):
    stack.chat(
        b'data: {"model":"tiny","choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n',
        head=SSE,
        target="/v1/chat/completions",
    )
    assert stack.value(catalog.GENERATED_TOKENS, model="tiny") == 0
    assert stack.value(catalog.TIME_TO_FIRST_TOKEN, "_count", model="tiny") == 1
    assert stack.recorder.recent()[-1].generated_tokens is None


def test_a_truncated_stream_gives_no_time_to_first_token(stack):
    stack.chat(SAYS, ending=Ending.UPSTREAM_CUT)
    assert stack.value(catalog.TIME_TO_FIRST_TOKEN, "_count", model="tiny") == 0


def test_a_document_gives_tokens_and_no_time_to_first_token(stack):
    stack.chat(SAYS[:-1] + ENDS, head=JSON)
    stack.chat(ENDS, head=JSON)
    assert stack.value(catalog.GENERATED_TOKENS, model="tiny") == 38
    assert stack.value(catalog.TIME_TO_FIRST_TOKEN, "_count", model="tiny") == 0


def test_an_encoded_answer_is_undecodable_and_judged_by_its_framing(stack):
    head = AnswerHead(200, "application/x-ndjson", True)
    stack.chat(gzip.compress(SAYS + ENDS), head=head)
    assert stack.value(catalog.EXTRACTION_ERRORS, reason="undecodable") == 1
    assert stack.recorder.recent()[-1].outcome == "ok"


def test_a_rate_that_no_machine_reaches_is_invalid(stack):
    stack.chat(ENDS.replace(b'"eval_duration":500000000', b'"eval_duration":1'), head=JSON)
    assert stack.value(catalog.TOKENS_PER_SECOND, "_count", model="tiny") == 0
    assert stack.value(catalog.EXTRACTION_ERRORS, reason="invalid_number") == 1
    assert stack.value(catalog.GENERATED_TOKENS, model="tiny") == 38


def test_an_exception_of_reading_is_counted_and_the_exchange_too(stack, monkeypatch, caplog):
    def explode(*_: object) -> None:
        raise ZeroDivisionError("a prompt may stand here")

    monkeypatch.setattr("ollamon.proxy.reader.Reader._take", explode)
    stack.chat(SAYS, SAYS, ENDS)
    assert stack.value(catalog.RESPONSE_SIZE, "_sum", endpoint="/api/chat") == len(
        SAYS + SAYS + ENDS
    )
    assert stack.value(catalog.EXTRACTION_ERRORS, reason="exception") == 1
    assert stack.recorder.recent()[-1].outcome == "ok"
    assert stack.balances()
    assert "ZeroDivisionError in explode" in caplog.text
    assert "prompt" not in caplog.text


def test_an_exception_at_the_end_still_lets_the_exchange_be_counted(stack, monkeypatch):
    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ollamon.proxy.reader.Reader.finish", explode)
    stack.chat(SAYS, ENDS)
    assert stack.total(catalog.REQUESTS) == 1
    assert stack.balances()
    assert stack.recorder.in_flight() == ()


def test_a_record_holds_numbers_and_no_text(stack):
    stack.chat(SAYS, ENDS)
    (record,) = stack.recorder.recent()
    assert isinstance(record, RequestRecord)
    assert record.model == "tiny"
    assert record.ended_at == 1.7e9
    assert record.time_to_first_token_s == 1.0
    assert record.tokens_per_second == 76
    assert record.finish == "stop"
    assert "The" not in str(record)


def test_the_ring_of_records_is_bounded(stack):
    for _ in range(RECENT + 10):
        stack.chat(ENDS, head=JSON)
    records = stack.recorder.recent()
    assert len(records) == RECENT
    assert records[-1].seq - stack.recorder.ring.start == RECENT + 10


def test_numbers_of_a_later_start_are_higher_however_many_requests_an_earlier_one_served():
    moments = iter([1.7e9, 1.7e9 + 1])
    first, second = (
        Recorder(
            Instruments(CollectorRegistry()), max_models=5, recent=5, wall=lambda: next(moments)
        )
        for _ in range(2)
    )
    assert first.ring.start + 1_000_000 < second.ring.start < 2**53


def test_an_id_is_of_the_beginning_and_a_number_of_the_end(stack):
    early, late = (stack.recorder.began("POST", CHAT, 1.0, ClientKind.CURL) for _ in range(2))
    late.ended(Ending.COMPLETE, 200, 2.0)
    early.ended(Ending.COMPLETE, 200, 3.0)
    first, second = stack.recorder.recent()
    assert first.id == second.id + 1
    assert first.seq == second.seq - 1
    assert (first.client, first.finish, first.joules) == ("curl", "", None)


def test_every_scrape_balances_while_requests_come_and_go(stack):
    is_over = threading.Event()
    failures: list[str] = []

    def scrape() -> None:
        while not is_over.is_set():
            families = {family.name: family for family in stack.instruments.ledger.collect()}
            sums = {
                name: sum(sample.value for sample in family.samples)
                for name, family in families.items()
            }
            ended, active = sums["ollama_proxy_requests"], sums["ollama_proxy_active_requests"]
            if sums["ollama_proxy_requests_accepted"] != ended + active:
                failures.append(str(sums))

    thread = threading.Thread(target=scrape)
    thread.start()
    taps = []
    chance = random.Random(1)
    for number in range(5_000):
        taps.append(stack.recorder.began("POST", CHAT, 0.0))
        taps[-1].request_read(b'{"model":"tiny"}')
        if number % 3:
            taps.pop(chance.randrange(len(taps))).ended(Ending.CLIENT_GONE, None, 1.0)
    for tap in taps:
        tap.ended(Ending.SHUTDOWN, None, 1.0)
    is_over.set()
    thread.join()
    assert not failures
    assert stack.balances()
    assert stack.total(catalog.ACTIVE_REQUESTS) == 0


def test_ten_thousand_aborts_leave_all_gauges_at_zero(stack):
    chance = random.Random(2)
    for number in range(10_000):
        tap = stack.recorder.began("POST", CHAT, 0.0)
        steps = chance.randrange(5)
        if steps > 0:
            tap.request_read(b'{"model":"m%d"' % number)
        if steps > 1:
            tap.request_complete(1.0)
        if steps > 2:
            read = tap.answer_began(NDJSON, 1.0)
        if steps > 3:
            read(SAYS[: chance.randrange(len(SAYS))], 1.0)
        tap.ended(Ending.CLIENT_GONE, 200 if steps > 2 else None, 2.0)
    assert stack.total(catalog.ACTIVE_REQUESTS) == 0
    assert stack.total(catalog.REQUESTS) == 10_000
    assert stack.balances()


POISON = [
    b"NaN",
    b"1e999",
    b"-1e999",
    b"1" + b"0" * 400,
    b"1" + b"0" * 5000,
    b"-1",
    b"true",
    b'"38"',
    b"38.5",
    b"[]",
    b"{}",
    b"9007199254740993",
    b"[" * 200_000,
]


@pytest.mark.parametrize("target", ["/api/chat", "/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("poison", POISON, ids=lambda value: f"{value[:8].decode()}-{len(value)}")
def test_poisoned_numbers_leave_the_exposition_valid(stack, poison, target):
    documents = {
        "/api/chat": b'{"model":"tiny","done":true,"prompt_eval_count":%s,"eval_count":%s,'
        b'"load_duration":%s,"eval_duration":%s,"total_duration":%s}',
        "/v1/chat/completions": b'{"model":"tiny","choices":[],"usage":{"prompt_tokens":%s,'
        b'"completion_tokens":%s,"prompt_tokens_details":{"cached_tokens":%s},"x":[%s,%s]}}',
        "/v1/messages": b'{"type":"message","model":"tiny","usage":{"input_tokens":%s,'
        b'"output_tokens":%s,"cache_read_input_tokens":%s,"x":[%s,%s]}}',
    }
    document = documents[target] % ((poison,) * 5)
    for head, body in ((JSON, document), (NDJSON, document + b"\n"), (SSE, b"data: " + document)):
        stack.chat(SAYS, body, head=head, target=target)
    text = generate_latest(stack.registry).decode()
    assert list(text_string_to_metric_families(text))
    assert list(parse_openmetrics(generate_openmetrics(stack.registry).decode()))
    assert "NaN" not in text
    assert stack.total(catalog.GENERATED_TOKENS) == 0
    assert stack.total(catalog.PROMPT_TOKENS) == 0
    problems = sum(
        stack.value(catalog.EXTRACTION_ERRORS, reason=reason)
        for reason in ("json", "invalid_number", "oversize")
    )
    assert problems > 0
    assert stack.value(catalog.EXTRACTION_ERRORS, reason="exception") == 0
    assert stack.balances()


@pytest.mark.parametrize(
    "name", [r"\ud800", r"\udfff\ud800", r"a\u0000b", r"\"}\n evil 1\n", "x" * 300, r"é", ""]
)
def test_a_poisoned_model_name_is_no_label(stack, name):
    answer = b'{"model":"%s","message":{"content":"x"},"done":true}\n' % name.encode()
    tap = stack.recorder.began("POST", CHAT, 1.0)
    tap.request_read(b'{"model":"%s"}' % name.encode())
    tap.request_complete(1.0)
    read = tap.answer_began(NDJSON, 2.0)
    read(answer, 3.0)
    tap.ended(Ending.COMPLETE, 200, 4.0)
    text = generate_latest(stack.registry).decode()
    list(text_string_to_metric_families(text))
    assert stack.recorder.recent()[-1].model in ("other", "unknown")
    assert "evil" not in text


def test_a_hundred_thousand_model_names_leave_few_series(stack):
    for number in range(100_000):
        name = f"random-{number}"
        tap = stack.recorder.began("POST", CHAT, 1.0)
        tap.request_read(b'{"model":"%s"}' % name.encode())
        tap.request_complete(1.0)
        read = tap.answer_began(JSON, 2.0)
        read(b'{"model":"%s","done":true,"eval_count":1}' % name.encode(), 3.0)
        tap.ended(Ending.COMPLETE, 200, 4.0)
    text = generate_latest(stack.registry)
    lines = [line for line in text.splitlines() if not line.startswith(b"#")]
    assert len(lines) < 2000
    assert len(text) < 1024 * 1024
    assert stack.value(catalog.LABELS_DROPPED, label="model") == 100_000 - 5
    assert stack.value(catalog.GENERATED_TOKENS, model="other") == 100_000 - 5
    assert stack.total(catalog.REQUESTS) == 100_000


def test_every_method_on_every_path_for_every_model_leaves_room_for_none_but_the_first():
    stack = Stack(max_models=3)
    stack.recorder.known_models(["tiny", "two", "three"])
    stack.chat(ENDS, head=JSON)
    count = 1
    for method in (*sorted(METHODS), "BREW"):
        for target in sorted(ENDPOINTS):
            for name in ("tiny", "two", "three"):
                tap = stack.recorder.began(method, route_of(target), 1.0)
                tap.request_read(b'{"model":"%s"}' % name.encode())
                tap.ended(Ending.COMPLETE, 200, 2.0)
                count += 1
    stack.chat(ENDS, head=JSON)
    places = {
        tuple(sample.labels[name] for name in ("method", "endpoint", "model"))
        for family in stack.registry.collect()
        for sample in family.samples
        if sample.name == catalog.REQUESTS.name
    }
    assert len(places) == 64 + 1
    assert ("other", "other", "other") in places
    labels = {"method": "POST", "endpoint": "/api/chat", "model": "tiny"}
    assert stack.value(catalog.REQUEST_DURATION, "_count", **labels) == 3
    assert stack.total(catalog.REQUESTS) == count + 1
    assert stack.value(catalog.LABELS_DROPPED, label="model") > count / 2
    assert stack.balances()


def test_a_failed_answer_gives_its_model_no_series(stack):
    error = b'{"model":"nope","error":"x"}\n'
    stack.chat(error, name="nope")
    stack.chat(name="nope", head=AnswerHead(404, "application/json", False))
    stack.chat(SAYS.replace(b"tiny", b"nope"), name="nope", ending=Ending.UPSTREAM_CUT)
    assert stack.value(catalog.GENERATED_TOKENS, model="nope") is None
    assert stack.recorder.recent()[-1].model == "other"


def test_odd_methods_targets_and_statuses_are_folded_into_other(stack):
    tap = stack.recorder.began("BREW", route_of("/coffee?cup=1"), 1.0)
    tap.answer_began(AnswerHead(799, "", False), 1.0)
    tap.ended(Ending.COMPLETE, 799, 2.0)
    labels = {"method": "other", "endpoint": "other", "model": "unknown", "status": "other"}
    assert stack.value(catalog.REQUESTS, **labels) == 1
    for label in ("method", "endpoint", "status"):
        assert stack.value(catalog.LABELS_DROPPED, label=label) == 1


def test_a_generation_tells_its_phases_and_speeds(stack):
    stack.chat(SAYS, SAYS, ENDS)
    phases = {
        phase: stack.value(catalog.UPSTREAM_PHASE, model="tiny", phase=phase)
        for phase in ("queue", "load", "prefill", "decode")
    }
    assert phases == pytest.approx({"queue": 0.1, "load": 0.1, "prefill": 0.2, "decode": 0.5})
    assert stack.value(catalog.DECODE_TOKENS, model="tiny", source="ollama") == 38
    assert stack.value(catalog.DECODE_SECONDS, model="tiny", source="ollama") == 0.5
    assert stack.value(catalog.DECODE_TOKENS, model="tiny", source="proxy") == 0
    assert stack.value(catalog.PREFILL_TOKENS, model="tiny", cached="unreported") == 25
    assert stack.value(catalog.PREFILL_SECONDS, model="tiny", cached="unreported") == 0.2
    assert stack.value(catalog.CACHE_REPORTED_TOKENS, model="tiny") == 0
    assert stack.value(catalog.FINISH_REASONS, model="tiny", reason="stop") == 1
    assert stack.value(catalog.STREAMED_CHUNKS, model="tiny") == 2
    assert stack.value(catalog.REQUEST_PROMPT_TOKENS, "_sum", model="tiny") == 25
    assert stack.value(catalog.REQUEST_GENERATED_TOKENS, "_sum", model="tiny") == 38
    reports = {"endpoint": "/api/chat", "state": "reported"}
    assert stack.value(catalog.USAGE_REPORTS, **reports) == 1
    assert stack.value(catalog.COLD_LOAD_DURATION, "_count", model="tiny") == 0


def test_cached_tokens_are_told_apart_when_they_are_reported(stack):
    ends = ENDS.replace(b'"eval_count"', b'"prompt_eval_cached_count":20,"eval_count"')
    stack.chat(SAYS, ends)
    assert stack.value(catalog.CACHED_PROMPT_TOKENS, model="tiny") == 20
    assert stack.value(catalog.CACHE_REPORTED_TOKENS, model="tiny") == 25
    assert stack.value(catalog.PREFILL_TOKENS, model="tiny", cached="reported") == 5
    assert stack.value(catalog.PREFILL_TOKENS, model="tiny", cached="unreported") == 0


def test_thinking_first_makes_the_first_visible_token_a_moment_of_its_own(stack):
    thinks = SAYS.replace(b'"content":" The"', b'"content":"","thinking":"hm"')
    stack.chat(thinks, thinks, SAYS, ENDS)
    stack.chat(SAYS, ENDS)
    assert stack.value(catalog.TIME_TO_FIRST_TOKEN, "_count", model="tiny") == 2
    assert stack.value(catalog.TIME_TO_FIRST_ANSWER, "_count", model="tiny") == 1
    assert stack.value(catalog.TIME_TO_FIRST_ANSWER, "_sum", model="tiny") == 3.0


def test_the_longest_silence_after_the_first_token_is_kept(stack):
    tap = stack.recorder.began("POST", CHAT, 1.0)
    tap.request_complete(1.0)
    read = tap.answer_began(NDJSON, 2.0)
    nothing = SAYS.replace(b" The", b"")
    for moment, data in ((3.0, nothing), (51.0, SAYS), (52.0, SAYS), (59.0, SAYS), (60.0, ENDS)):
        read(data, moment)
    tap.ended(Ending.COMPLETE, 200, 61.0)
    stack.chat(SAYS + ENDS)
    assert stack.value(catalog.STREAM_GAP, "_count") == 1
    assert stack.value(catalog.STREAM_GAP, "_sum") == 7.0


def test_bodies_are_sized_as_they_were_relayed(stack):
    stack.chat(SAYS, ENDS)
    stack.chat(b"x" * 7, head=AnswerHead(200, "text/plain", False), target="/api/show")
    size = len(json.dumps({"model": "tiny", "messages": []}))
    for endpoint, answer in (("/api/chat", len(SAYS + ENDS)), ("/api/show", 7)):
        assert stack.value(catalog.REQUEST_SIZE, "_sum", endpoint=endpoint) == size
        assert stack.value(catalog.RESPONSE_SIZE, "_sum", endpoint=endpoint) == answer


def test_a_cold_load_is_judged_at_the_next_poll(stack):
    stack.recorder.polled({})
    stack.chat(SAYS, ENDS)
    assert stack.value(catalog.COLD_LOAD_DURATION, "_sum", model="tiny") == 0.1
    assert stack.value(catalog.MODEL_LOADS, model="tiny", reason="first") == 0
    stack.recorder.polled({"tiny": Resident()})
    assert stack.value(catalog.MODEL_LOADS, model="tiny", reason="first") == 1
    assert stack.value(catalog.MODEL_UNPROXIED_USES, model="tiny") == 0


def ask(stack, text: str, count: int, **more: object) -> None:
    """One prompt of so much text, whose tokens upstream counts as it likes."""
    tap = stack.recorder.began("POST", CHAT, 1.0)
    document = {"model": "tiny", "messages": [{"role": "user", "content": text, **more}]}
    tap.request_read(json.dumps(document).encode())
    tap.request_complete(1.0)
    ends = ENDS.replace(b'"prompt_eval_count":25', b'"prompt_eval_count":%d' % count)
    tap.answer_began(JSON, 1.5)(ends, 2.0)
    tap.ended(Ending.COMPLETE, 200, 2.0)


def test_a_prompt_that_did_not_fit_and_was_counted_as_if_it_had_was_probably_cut(stack):
    def suspected() -> float | None:
        return stack.value(catalog.PROMPT_TRUNCATIONS, model="tiny")

    stack.recorder.polled({"tiny": Resident(context_length=1024)})
    ask(stack, "word " * 4000, 1000)
    assert suspected() == 0, "nothing is learned yet"
    for _ in range(200):
        ask(stack, "word " * 500, 500)
    ask(stack, "word " * 4000, 1000)
    assert suspected() == 1
    ask(stack, "word " * 4000, 4000)
    ask(stack, "word " * 4000, 1000, images=["aGk="])
    stack.chat(ENDS, head=JSON, target="/api/embed")
    assert suspected() == 1
    stack.recorder.polled({})
    ask(stack, "word " * 4000, 1000)
    assert suspected() == 1, "the context is unknown"
    assert stack.value(catalog.PROMPT_TRUNCATIONS, model="other") is None


def test_a_model_that_others_loaded_was_used_around_the_proxy(stack):
    stack.recorder.polled({})
    stack.recorder.polled({"tiny": Resident()})
    assert stack.value(catalog.MODEL_UNPROXIED_USES, model="tiny") == 1


def test_what_runs_is_shown_by_phase_with_its_age_and_silence(stack):
    def phases() -> dict[str, float]:
        (family,) = (
            family
            for family in stack.registry.collect()
            if family.name == catalog.REQUESTS_IN_PHASE.name
        )
        return {sample.labels["phase"]: sample.value for sample in family.samples}

    assert set(phases().values()) == {0}
    assert stack.value(catalog.OLDEST_WAITING) == 0
    taps = [stack.recorder.began("POST", CHAT, moment) for moment in (10.0, 20.0, 30.0)]
    taps.append(stack.recorder.began("GET", route_of("/api/tags"), 30.0))
    for tap in taps[1:]:
        tap.request_complete(30.0)
    assert stack.value(catalog.OLDEST_WAITING) == 80
    reads = [tap.answer_began(NDJSON, 40.0) for tap in taps[2:]]
    expected = {
        "queued": 0,
        "loading": 0,
        "prefill": 0,
        "receiving": 1,
        "waiting": 1,
        "generating": 1,
        "relaying": 1,
    }
    assert phases() == expected
    # The clock stands at 100 s.
    assert stack.value(catalog.STALLED_REQUESTS) == 2
    reads[0](SAYS, 40.1)
    reads[1](b"x", 41.0)
    assert stack.value(catalog.STALLED_REQUESTS) == 0
    for tap in taps:
        tap.ended(Ending.CLIENT_GONE, None, 100.0)
    assert set(phases().values()) == {0}


def test_an_answer_without_counts_is_a_missing_report(stack):
    stack.chat(SAYS, b'{"model":"tiny","done":true}\n')
    stack.chat(b'{"model":"tiny","done":true,"done_reason":"load"}', head=JSON)
    for state, count in (("missing", 1), ("partial", 0), ("reported", 0)):
        assert stack.value(catalog.USAGE_REPORTS, endpoint="/api/chat", state=state) == count


def test_a_new_connection_to_upstream_is_timed(stack):
    stack.recorder.connected(0.25)
    assert stack.value(catalog.UPSTREAM_CONNECT, "_sum") == 0.25


def test_what_the_proxy_added_is_a_histogram(stack):
    stack.recorder.relayed(0.0002)
    assert stack.value(catalog.OVERHEAD_SECONDS, "_bucket", le="0.00025") == 1
    assert stack.value(catalog.OVERHEAD_SECONDS, "_bucket", le="0.0001") == 0


class Metered(Stack):
    """A machine that draws 4 W without requests, and is read every 5 s by the helper's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder.known_models(["tiny", "afar:cloud", "hosted"])
        self.recorder.remote_models(["hosted", "unlisted"])
        self.samples = 0
        self.joules = 0.0

    def draws(self, watts: float) -> dict[str, float | None]:
        """Let an interval pass; return what is shown, by model."""
        self.samples += 1
        self.joules += 5 * watts
        reading = dataclasses.replace(
            READING,
            cpu=Cpu(energy_joules=self.joules, power_source=Source.RAPL),
            sources={Source.RAPL: SourceState(State.OK, samples=self.samples, age_seconds=0.0)},
        )
        shown = self.recorder.attribute(reading, 5.0 * self.samples)
        return {labels[0]: value for labels, value in shown.get(catalog.ENERGY, {}).items()}

    def begins(self, model: str = "tiny", target: str = "/api/chat") -> Tap:
        tap = self.recorder.began("POST", route_of(target), 1.0)
        tap.request_read(json.dumps({"model": model}).encode())
        tap.request_complete(1.0)
        return tap


@pytest.fixture
def metered() -> Metered:
    made = Metered()
    for _ in range(8):
        made.draws(4.0)
    return made


def test_energy_above_idle_goes_to_models_and_requests(metered):
    slow, fast = metered.begins(), metered.begins()
    read_slow, read_fast = (tap.answer_began(NDJSON, 1.0) for tap in (slow, fast))
    read_slow(SAYS, 2.0)
    for _ in range(3):
        read_fast(SAYS, 2.0)
    assert metered.draws(24.0) == {"tiny": pytest.approx(100)}
    read_slow(SAYS, 3.0)
    read_slow(ENDS, 4.0)
    slow.ended(Ending.COMPLETE, 200, 4.0)
    (record,) = metered.recorder.recent()
    assert record.joules is None, "the interval of its end goes on"
    assert metered.draws(14.0) == {"tiny": pytest.approx(150)}
    (record,) = metered.recorder.recent()
    assert record.joules == pytest.approx(25 + 50)


def test_an_answer_in_one_piece_shares_too(metered):
    metered.chat(ENDS, head=JSON)
    assert metered.draws(24.0) == {"tiny": pytest.approx(100)}
    (record,) = metered.recorder.recent()
    assert record.joules == pytest.approx(100)


@pytest.mark.parametrize("model", ["afar:cloud", "hosted"])
def test_a_model_of_another_machine_draws_nothing_here(metered, model):
    begun = metered.begins(model)
    assert metered.draws(24.0) == {"tiny": 0}
    begun.answer_began(JSON, 2.0)(b"{}", 2.0)
    begun.ended(Ending.COMPLETE, 200, 3.0)
    assert metered.draws(24.0) == {"tiny": 0}
    (record,) = metered.recorder.recent()
    assert record.joules is None


@pytest.mark.parametrize(
    ("target", "head", "ending", "status"),
    [
        ("/api/tags", JSON, Ending.COMPLETE, 200),
        ("/api/chat", AnswerHead(404, "application/json", False), Ending.COMPLETE, 404),
        ("/api/chat", None, Ending.REJECTED, 503),
        ("/api/chat", None, Ending.UPSTREAM_REFUSED, 502),
    ],
    ids=["a list", "a model that is missing", "a request that we refused", "a server that is off"],
)
def test_a_request_that_no_model_worked_for_has_no_part(metered, target, head, ending, status):
    tap = metered.begins(target=target)
    if head is not None:
        tap.answer_began(head, 2.0)
    tap.ended(ending, status, 3.0)
    metered.draws(24.0)
    (record,) = metered.recorder.recent()
    assert record.joules is None
    assert metered.draws(24.0)["tiny"] == 0


def test_a_client_that_left_had_its_part(metered):
    metered.begins().ended(Ending.CLIENT_GONE, None, 3.0)
    assert metered.draws(24.0)["tiny"] == pytest.approx(100)


def test_without_a_helper_no_request_has_an_energy(stack):
    stack.chat(SAYS, ENDS)
    assert stack.recorder.recent()[-1].joules is None


def test_a_request_that_runs_tells_who_asks_and_what_came_so_far(stack):
    tap = stack.recorder.began("POST", CHAT, 1.0, ClientKind.OLLAMA_JS)
    tap.request_read(b'{"model":"tiny"}')
    tap.request_complete(2.0)
    (waiting,) = stack.recorder.in_flight()
    read = tap.answer_began(NDJSON, 3.0)
    for moment in (3.0, 3.5, 4.0):
        read(SAYS, moment)
    (running,) = stack.recorder.in_flight()
    tap.ended(Ending.CLIENT_GONE, 200, 5.0)
    assert (waiting.chunks, waiting.chunks_per_second, waiting.client) == (0, None, "ollama-js")
    assert (running.chunks, running.chunks_per_second, running.phase) == (3, 2.0, "generating")
