"""After many mixed exchanges every number of a real proxy equals a ledger kept apart from it.

Some hundred here; OLLAMON_FULL=1 plays 10,000.
"""

import os
from collections import Counter

import pytest

from tests.proof.cases import KINDS, Case, make_case
from tests.proof.stage import Samples, staging, sum_of

FULL = bool(os.environ.get("OLLAMON_FULL"))
COUNT = 10_000 if FULL else 600
P = "ollama_proxy_"


class Ledger:
    """What the cases say: counts and sums by name and label values."""

    def __init__(self) -> None:
        self.values: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        full = name if name.startswith("ollamon_") else P + name
        self.values[full, frozenset(labels.items())] += value

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.add(name + "_count", **labels)
        self.add(name + "_sum", value, **labels)

    def take(self, case: Case) -> None:
        if case.expected is None:
            self.add("rejections_total", reason="malformed")
            return
        told, model = case.expected, case.label
        self.add("requests_accepted_total")
        key = {"method": case.method, "endpoint": case.endpoint, "model": model}
        self.add("requests_total", status=told.status, **key)
        self.add("request_duration_seconds_count", **key)
        outcome = {"endpoint": case.endpoint, "model": model, "outcome": told.outcome}
        self.add("request_outcomes_total", **outcome)
        if told.outcome == "rejected":
            self.add("rejections_total", reason="host")
        if told.fault:
            self.add("upstream_errors_total", reason=told.fault)
        if model == "other":
            self.add("ollamon_label_values_dropped_total", label="model")
        self.observe("request_size_bytes", case.uploaded, endpoint=case.endpoint)
        self.observe("response_size_bytes", told.relayed, endpoint=case.endpoint)
        if told.relayed:
            self.add("overhead_seconds_count")
        self._take_tokens(case)
        self._take_times(case)

    def _take_tokens(self, case: Case) -> None:
        told, model = case.expected, case.label
        if told.prompt is not None:
            self.add("prompt_tokens_total", told.prompt, model=model)
            self.observe("request_prompt_tokens", told.prompt, model=model)
        if told.generated is not None:
            self.add("generated_tokens_total", told.generated, model=model)
            self.observe("request_generated_tokens", told.generated, model=model)
        if told.cached is not None:
            self.add("cached_prompt_tokens_total", told.cached, model=model)
            self.add("cache_reported_prompt_tokens_total", told.prompt, model=model)
        if told.finish:
            self.add("finish_reasons_total", model=model, reason=told.finish)
            state = "missing" if told.prompt is None else "reported"
            self.add("usage_reports_total", endpoint=case.endpoint, state=state)
        self.add("streamed_chunks_total", told.chunks, model=model)

    def _take_times(self, case: Case) -> None:
        told, model = case.expected, case.label
        if told.has_first_token:
            self.add("time_to_first_token_seconds_count", model=model)
        if told.has_gap:
            self.add("stream_gap_seconds_count")
        if told.has_rate:
            self.add("tokens_per_second_count", model=model)
            self.add("time_per_output_token_seconds_count", model=model)
            source = "proxy" if told.rate is None else "ollama"
            tokens = told.generated - (told.rate is None)
            self.add("decode_tokens_total", tokens, model=model, source=source)
        if told.load_s:
            self.observe("model_load_duration_seconds", told.load_s, model=model)
            # No model is ever in /api/ps: each load is a cold one.
            self.observe("cold_load_duration_seconds", told.load_s, model=model)
        for phase, seconds in told.phases:
            self.add("upstream_phase_seconds_total", seconds, model=model, phase=phase)
            if phase == "decode":
                self.add("decode_seconds_total", seconds, model=model, source="ollama")
            if phase == "prefill":
                cached = "unreported" if told.cached is None else "reported"
                tokens = told.prompt - (told.cached or 0)
                self.add("prefill_tokens_total", tokens, model=model, cached=cached)
                self.add("prefill_seconds_total", seconds, model=model, cached=cached)


COUNTED = {
    *("requests_accepted_total", "requests_total", "request_duration_seconds_count"),
    *("request_outcomes_total", "rejections_total", "upstream_errors_total"),
    *("prompt_tokens_total", "generated_tokens_total", "time_to_first_token_seconds_count"),
    *("tokens_per_second_count", "time_per_output_token_seconds_count"),
    *("model_load_duration_seconds_count", "model_load_duration_seconds_sum"),
    *("cold_load_duration_seconds_count", "cold_load_duration_seconds_sum"),
    *("request_prompt_tokens_count", "request_prompt_tokens_sum"),
    *("request_generated_tokens_count", "request_generated_tokens_sum"),
    *("request_size_bytes_count", "request_size_bytes_sum"),
    *("response_size_bytes_count", "response_size_bytes_sum"),
    *("cached_prompt_tokens_total", "cache_reported_prompt_tokens_total"),
    *("finish_reasons_total", "usage_reports_total", "streamed_chunks_total"),
    *("stream_gap_seconds_count", "time_to_first_answer_token_seconds_count"),
    *("decode_tokens_total", "prefill_tokens_total", "prefill_seconds_total"),
    *(
        "upstream_phase_seconds_total",
        "upstream_connect_seconds_count",
        "overhead_seconds_count",
        "metric_extraction_errors_total",
    ),
}


def is_counted(name: str, labels: frozenset[tuple[str, str]]) -> bool:
    if name == P + "decode_seconds_total":
        # Those that the proxy saw itself are known to no one else.
        return ("source", "ollama") in labels
    return name.removeprefix(P) in COUNTED or name == "ollamon_label_values_dropped_total"


def counted(samples: Samples) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {key: value for key, value in samples.items() if value and is_counted(*key)}


def assert_equal(samples: Samples, ledger: Ledger) -> None:
    found, expected = counted(samples), {k: v for k, v in ledger.values.items() if v}
    wrong = {
        key: (found.get(key, 0), expected.get(key, 0))
        for key in found.keys() | expected.keys()
        if abs(found.get(key, 0) - expected.get(key, 0)) > 1e-6 * max(1, expected.get(key, 0))
    }
    assert wrong == {}


def assert_sane(samples: Samples, cases: list[Case]) -> None:
    """What cannot be known exactly lies within what can."""
    for (name, labels), value in samples.items():
        if name.endswith("_count"):
            last = (name.removesuffix("_count") + "_bucket", labels | {("le", "+Inf")})
            assert samples[last] == value
    # Where upstream tells no decode time, the rate is what was seen: only its sign is certain.
    seen = [each for each in cases if each.expected and each.expected.has_rate]
    told = sum(each.expected.rate or 0 for each in seen)
    assert sum_of(samples, P + "tokens_per_second_sum") >= told * (1 - 1e-9)


@pytest.mark.timeout(1800 if FULL else 120)
async def test_every_number_equals_the_ledger(new_child):
    cases = [make_case(number) for number in range(COUNT)]
    ledger = Ledger()
    async with staging(new_child) as stage:
        spare = stage.spare_files()
        await stage.play_all(cases)
        for case in cases:
            ledger.take(case)
        total = ledger.values[P + "requests_accepted_total", frozenset()]
        samples = await stage.until(
            lambda found: (
                sum_of(found, P + "requests_total") >= total
                and sum_of(found, P + "active_requests") == 0
            )
        )
        ledger.add("upstream_connect_seconds_count", stage.connections_used)
        assert len(ledger.values) > 300
        assert_equal(samples, ledger)
        assert_sane(samples, cases)
        assert all(v == 0 for (name, _), v in samples.items() if name == P + "active_requests")
        await stage.until_spare_files(spare)
    assert {case.kind for case in cases} == set(KINDS)


@pytest.mark.timeout(120)
async def test_rates_that_upstream_tells_add_up(new_child):
    """Streams of Ollama's own API alone: their decode time is told, so the sum is exact."""
    cases = [make_case(number) for number in range(20_000, 20_000 + 4 * 40)]
    cases = [each for each in cases if each.path.startswith("/api/")]
    async with staging(new_child) as stage:
        await stage.play_all(cases)
        accepted = sum(each.expected is not None for each in cases)
        samples = await stage.until(lambda found: sum_of(found, P + "requests_total") >= accepted)
    told = [each.expected.rate for each in cases if each.expected and each.expected.rate]
    assert sum_of(samples, P + "tokens_per_second_sum") == pytest.approx(sum(told), rel=1e-6)
    slow = sum(1 / rate for rate in told)
    found = sum_of(samples, P + "time_per_output_token_seconds_sum")
    assert found == pytest.approx(slow, rel=1e-6)
