import collections

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ollamon.metrics import catalog
from ollamon.metrics.instruments import LEDGER, Board, Example, Instruments, Ledger


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def instruments(registry, clock) -> Instruments:
    return Instruments(registry, clock)


def text(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_every_family_has_one_help_and_one_type_even_when_unknown(registry, instruments):
    lines = collections.Counter(
        tuple(line.split()[1:3]) for line in text(registry).splitlines() if line.startswith("#")
    )
    for metric in catalog.CATALOG:
        assert lines["HELP", metric.name] == lines["TYPE", metric.name] == 1
    assert len(lines) == 2 * len(catalog.CATALOG)


def test_what_is_unknown_has_no_sample(registry, instruments):
    for metric in catalog.CATALOG:
        if not metric.from_birth:
            assert f"\n{metric.name} " not in text(registry)
            assert f"\n{metric.name}{{" not in text(registry)


def test_both_formats_are_valid(registry, instruments):
    instruments.board.set(catalog.GPU_INFO, 1, "gpu0", 'a"b\\c\nd', "é\ud800")
    instruments.ledger.move((catalog.REQUESTS, ("GET", "/", "m", "200"), 1))
    instruments.histogram(catalog.TOKENS_PER_SECOND).labels("m").observe(7)
    assert list(parse_text(text(registry)))
    assert list(parse_openmetrics(generate_openmetrics(registry).decode()))


@given(st.lists(st.floats(0, 1e6) | st.sampled_from(catalog.TOKEN_RATE), max_size=50))
def test_a_histogram_is_exported_as_prometheus_clients_own(values):
    metric = catalog.TOKENS_PER_SECOND
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    live = Instruments(ours).histogram(metric).labels("m")
    reference = prometheus_client.Histogram(
        metric.name, metric.help, metric.labels, registry=theirs, buckets=metric.buckets
    ).labels("m")
    for value in values:
        live.observe(value)
        reference.observe(value)
    expected = [line for line in text(theirs).splitlines() if "_created" not in line]
    found = [line for line in text(ours).splitlines() if metric.name in line]
    assert found == expected


def test_a_bucket_names_the_last_request_that_fell_into_it_in_openmetrics_alone(registry):
    series = Instruments(registry).histogram(catalog.TOKENS_PER_SECOND).labels("m")
    series.observe(7, Example(1, "", 1.6e9))
    series.observe(6, Example(2**63, "f" * 32, 1.7e9))
    series.observe(9000, Example(3, "", 1.8e9))
    series.observe(45)
    told = {
        sample.labels["le"]: sample.exemplar
        for family in parse_openmetrics(generate_openmetrics(registry).decode())
        for sample in family.samples
        if sample.exemplar
    }
    assert told.keys() == {"7.5", "+Inf"}
    last = told["7.5"]
    assert (last.value, float(last.timestamp)) == (6, 1.7e9)
    assert last.labels == {"request_id": str(2**63), "trace_id": "f" * 32}
    assert sum(len(name + value) for name, value in last.labels.items()) <= 128
    assert told["+Inf"].labels == {"request_id": "3"}
    assert "request_id" not in text(registry)


def test_a_counter_grows_and_never_shrinks(registry, instruments):
    series = instruments.counter(catalog.PROMPT_TOKENS).labels("m")
    series.inc()
    series.inc(2.5)
    for amount in (-1, float("nan")):
        with pytest.raises(ValueError, match="cannot grow"):
            series.inc(amount)
    assert registry.get_sample_value(catalog.PROMPT_TOKENS.name, {"model": "m"}) == 3.5


def test_a_series_begins_at_zero_when_it_is_named_and_has_every_label(registry, instruments):
    labels = {"model": "m"}
    name = catalog.TOKENS_PER_SECOND.name
    assert registry.get_sample_value(f"{name}_count", labels) is None
    series = instruments.histogram(catalog.TOKENS_PER_SECOND).labels("m")
    assert instruments.histogram(catalog.TOKENS_PER_SECOND).labels("m") is series
    assert registry.get_sample_value(f"{name}_count", labels) == 0
    with pytest.raises(ValueError, match="has the labels"):
        instruments.histogram(catalog.TOKENS_PER_SECOND).labels()


def test_a_known_value_is_shown_until_it_is_old(registry, clock, instruments):
    instruments.board.set(catalog.CPU_USAGE_PERCENT, 0.0, lasts=30)
    assert registry.get_sample_value(catalog.CPU_USAGE_PERCENT.name) == 0
    clock.now = 29.9
    assert registry.get_sample_value(catalog.CPU_USAGE_PERCENT.name) == 0
    clock.now = 30.0
    assert registry.get_sample_value(catalog.CPU_USAGE_PERCENT.name) is None


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_becomes_unknown(registry, instruments, value):
    instruments.board.set(catalog.CPU_USAGE_PERCENT, 5.0)
    instruments.board.set(catalog.CPU_USAGE_PERCENT, value)
    assert registry.get_sample_value(catalog.CPU_USAGE_PERCENT.name) is None


def test_series_that_are_not_named_again_vanish(registry, instruments):
    board = instruments.board
    board.replace(catalog.MODEL_LOADED, {("a",): 1, ("b",): 1})
    board.replace(catalog.MODEL_LOADED, {("b",): 1, ("c",): None})
    found = {model: _loaded(registry, model) for model in "abc"}
    assert found == {"a": None, "b": 1, "c": None}


def _loaded(registry: CollectorRegistry, model: str) -> float | None:
    return registry.get_sample_value(catalog.MODEL_LOADED.name, {"model": model})


def test_labels_of_the_wrong_number_are_refused(instruments):
    with pytest.raises(ValueError, match="ollama_model_loaded has the labels"):
        instruments.board.set(catalog.MODEL_LOADED, 1)


def test_a_source_is_asked_at_each_scrape(registry, instruments):
    values = iter([1.0, 2.0])
    instruments.board.ask(lambda: instruments.board.set(catalog.PROCESS_MEMORY, next(values)))
    assert "process_resident_memory_bytes 1.0" in text(registry)
    assert "process_resident_memory_bytes 2.0" in text(registry)


def test_a_counter_that_was_not_read_yet_is_absent(registry, instruments):
    assert registry.get_sample_value(catalog.DISK_READ_BYTES.name) is None
    instruments.board.set(catalog.DISK_READ_BYTES, 7)
    assert registry.get_sample_value(catalog.DISK_READ_BYTES.name) == 7


def test_a_series_of_the_ledger_may_begin_at_zero():
    ledger = Ledger(LEDGER)
    ledger.move((catalog.ACTIVE_REQUESTS, ("m",), 0))
    (sample,) = next(
        family.samples for family in ledger.collect() if family.name.endswith("active_requests")
    )
    assert (sample.labels, sample.value) == ({"model": "m"}, 0)


def test_a_board_serves_its_families_in_order():
    board = Board((catalog.OLLAMA_UP, catalog.DISK_READ_BYTES))
    assert [family.name for family in board.collect()] == [
        *("ollama_up", "ollama_host_disk_read_bytes"),
    ]
