from collections import Counter

import pytest

from ollamon.metrics.catalog import CATALOG
from ollamon.metrics.panels import PANELS, Unit, names_of

# From the seed guide, "Dashboard Configuration"; a contract.
GUIDE = {
    "gpu": "ollama_proxy_gpu_active_residency_percent",
    "memory": "ollama_proxy_memory_usage_bytes / 1024 / 1024",
    "active_requests": "sum(ollama_proxy_active_requests)",
    "request_rate": "rate(ollama_proxy_requests_total[1m])",
    "average_latency": """rate(ollama_proxy_request_duration_seconds_sum[1m]) /
rate(ollama_proxy_request_duration_seconds_count[1m])""",
    "token_rate": "rate(ollama_proxy_generated_tokens_total[1m])",
}
BY_ID = {panel.id: panel for panel in PANELS}


@pytest.mark.parametrize("name", GUIDE)
def test_the_guides_query(name):
    assert BY_ID[name].expression.promql().split() == GUIDE[name].split()


def test_ids_and_titles_are_unique():
    assert set(Counter(panel.id for panel in PANELS).values()) == {1}
    assert set(Counter(panel.title for panel in PANELS).values()) == {1}


def test_what_the_page_needs_is_there():
    needed = {"ttft", "tpot", "cpu", "loaded_models", "prompt_token_rate", "errors"}
    assert needed | set(GUIDE) <= set(BY_ID)
    assert {"memory_pressure", "gpu_power", "temperature", "disk_read"} <= set(BY_ID)


def test_latency_panels_use_names_that_the_guides_scrape_rule_keeps():
    for name in ("ttft", "tpot", "average_latency", "active_requests", "errors", "token_rate"):
        assert all(sample.startswith("ollama_proxy_") for sample in BY_ID[name].expression.names)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.id)
def test_times_and_levels_are_never_summed_and_rates_always(panel):
    levels = {Unit.SECONDS, Unit.PERCENT, Unit.CELSIUS, Unit.JOULES_PER_TOKEN}
    assert panel.total == ("max" if panel.unit in levels else "sum")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.id)
def test_a_panel_explains_itself(panel):
    assert panel.help.endswith(".")
    assert list(panel.thresholds) == sorted(panel.thresholds)
    assert panel.kind == "stepped" or panel.unit is not Unit.COUNT


def test_every_sample_that_panels_read_is_declared():
    declared = {metric.name for metric in CATALOG}
    for name in names_of():
        base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        assert {name, base} & declared
