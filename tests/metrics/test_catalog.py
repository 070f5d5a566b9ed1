import ast
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ollamon.metrics import catalog
from ollamon.metrics.catalog import CATALOG, Counter, Gauge, Histogram, Metric, Origin
from ollamon.metrics.instruments import Instruments

PACKAGE = Path(catalog.__file__).parents[1]

# The contract: every name of the guide to the stack that ollamon replaces.
SEED: dict[str, tuple[type[Metric], tuple[str, ...]]] = {
    "ollama_proxy_requests_total": (Counter, ("method", "endpoint", "model", "status")),
    "ollama_proxy_request_duration_seconds": (Histogram, ("method", "endpoint", "model")),
    "ollama_proxy_active_requests": (Gauge, ("model",)),
    "ollama_proxy_prompt_tokens_total": (Counter, ("model",)),
    "ollama_proxy_generated_tokens_total": (Counter, ("model",)),
    "ollama_proxy_tokens_per_second": (Histogram, ("model",)),
    "ollama_proxy_time_to_first_token_seconds": (Histogram, ("model",)),
    "ollama_proxy_model_load_duration_seconds": (Histogram, ("model",)),
    "ollama_proxy_cpu_usage_percent": (Gauge, ()),
    "ollama_proxy_memory_usage_bytes": (Gauge, ()),
    "ollama_proxy_gpu_active_residency_percent": (Gauge, ()),
    "ollama_proxy_gpu_power_milliwatts": (Gauge, ()),
    "ollama_proxy_cpu_power_milliwatts": (Gauge, ()),
    "ollama_proxy_cpu_temperature_celsius": (Gauge, ()),
    "ollama_proxy_memory_pressure_percent": (Gauge, ()),
    "ollama_proxy_disk_read_bytes_per_second": (Gauge, ()),
    "ollama_proxy_disk_write_bytes_per_second": (Gauge, ()),
    "ollama_proxy_disk_iops": (Gauge, ()),
}
BASE_UNITS = (
    *("_seconds", "_bytes", "_watts", "_celsius", "_ratio", "_info", "_tokens"),
    *("_up", "_loaded", "_installed", "_fds", "_hertz", "_level"),
    *("_requests", "_in_phase"),
)
PREFIXES = ("ollama_proxy_", "ollama_", "ollamon_", "process_")
BY_NAME = {metric.name: metric for metric in CATALOG}


@pytest.mark.parametrize("name", SEED)
def test_every_name_of_the_seed_is_declared_with_its_type_and_labels(name):
    kind, labels = SEED[name]
    assert type(BY_NAME[name]) is kind
    assert BY_NAME[name].labels == labels
    assert BY_NAME[name].origin is Origin.SEED


def test_nothing_else_claims_to_be_of_the_seed():
    assert {metric.name for metric in CATALOG if metric.origin is Origin.SEED} == set(SEED)


def test_names_are_declared_once():
    assert len(BY_NAME) == len(CATALOG)


@pytest.mark.parametrize("metric", CATALOG, ids=lambda metric: metric.name)
def test_a_declaration_follows_the_conventions(metric):
    assert metric.name.startswith(PREFIXES)
    assert metric.name.endswith("_total") == isinstance(metric, Counter)
    assert metric.help.endswith(".")
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    if metric.origin is not Origin.SEED and isinstance(metric, Gauge):
        assert metric.name.endswith(BASE_UNITS)
    if isinstance(metric, Histogram):
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.buckets
        assert metric.from_birth


@pytest.mark.parametrize(
    "twin", [metric for metric in CATALOG if metric.origin is Origin.TWIN], ids=lambda m: m.name
)
def test_a_twin_mirrors_a_seed_family(twin):
    assert twin.twin_of is not None
    assert twin.twin_of.origin is Origin.SEED
    assert not twin.name.endswith(("_percent", "_milliwatts"))
    percent = 100 if twin.twin_of.name.endswith("_percent") else 1
    milli = 1000 if twin.twin_of.name.endswith("_milliwatts") else 1
    assert twin.scale == percent * milli


def test_every_seed_family_with_an_odd_unit_has_a_twin():
    twins = {metric.twin_of.name for metric in CATALOG if metric.twin_of}
    odd = {name for name in SEED if name.endswith(("_percent", "_milliwatts", "_per_second"))}
    assert odd <= twins


def test_no_family_is_named_like_a_part_of_another():
    parts = {
        metric.name + suffix
        for metric in CATALOG
        if isinstance(metric, Histogram)
        for suffix in ("_bucket", "_sum", "_count")
    }
    assert parts.isdisjoint(BY_NAME)


def test_what_is_exported_is_what_is_declared():
    registry = CollectorRegistry()
    Instruments(registry)
    exported = [
        family.name + "_total" * (family.type == "counter") for family in registry.collect()
    ]
    assert sorted(exported) == sorted(BY_NAME)


STRAY = re.compile(
    r"\b(?:ollama|ollama_proxy|ollamon|process)_[a-z0-9_]+"
    r"_(?:total|seconds|bytes|ratio|info|percent|watts|milliwatts|celsius|per_second|tokens)\b"
)


def strays_of(source: str) -> set[str]:
    """Names of metrics, and what looks like one, in the strings of a module but its docstrings."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
    return {name for text in strings for name in _names_in(text)}


def _names_in(text: str) -> set[str]:
    words = set(re.findall(r"\b[a-z][a-z0-9_]+\b", text))
    parts = {re.sub("_(bucket|sum|count)$", "", word) for word in words}
    return {*STRAY.findall(text), *((words | parts) & BY_NAME.keys())}


def test_a_metric_is_spelled_in_the_catalog_alone():
    strays = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        if path != Path(catalog.__file__)
        for name in strays_of(path.read_text())
    }
    assert strays == set()


def test_a_stray_name_would_be_found():
    assert strays_of('query("rate(ollama_proxy_time_to_first_token_seconds_sum[1m])")')
    assert strays_of('name = "ollama_proxy_new_thing_total"')
    assert strays_of('f"ollama_up == {x}"')
    assert not strays_of('job = "ollama_proxy"; keep = "ollama_proxy_.*"')
    assert not strays_of('"""Explains ollama_up."""')
