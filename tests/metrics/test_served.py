import pytest

from ollamon.compat import Compat
from ollamon.metrics import catalog
from ollamon.metrics.catalog import CATALOG, Histogram, Origin, hidden
from ollamon.metrics.panels import PANELS, Limits, names_of
from ollamon.metrics.served import panels_of

LIMITS = Limits(2, 10)

SEED_ONLY = {
    "tpot": "1 / histogram_quantile(0.05, sum by (model, le) "
    "(rate(ollama_proxy_tokens_per_second_bucket[1m])))",
}
CANONICAL_ONLY = {
    "gpu": "avg(ollama_gpu_utilization_ratio) * 100",
    "memory": "ollama_host_memory_used_bytes / 1024 / 1024",
    "cpu": "ollama_host_cpu_usage_ratio * 100",
    "memory_pressure": "sum(ollama_host_memory_pressure_ratio) * 100",
    "gpu_power": "sum(ollama_gpu_power_watts) * 1000",
    "cpu_power": 'sum(ollama_host_power_watts{component="cpu"}) * 1000',
    "temperature": "ollama_host_cpu_temperature_celsius",
    "disk_read": "rate(ollama_host_disk_read_bytes_total[1m])",
    "disk_write": "rate(ollama_host_disk_written_bytes_total[1m])",
}


def test_both_hides_nothing_and_changes_no_query():
    assert hidden(Compat.BOTH) == frozenset()
    assert tuple(panel.expression for panel in panels_of(Compat.BOTH, LIMITS)) == tuple(
        panel.expression for panel in PANELS
    )


def test_seed_hides_the_twins_alone():
    assert hidden(Compat.SEED) == {each for each in CATALOG if each.origin is Origin.TWIN}


def test_canonical_hides_the_seeds_names_that_have_a_twin():
    unseen = hidden(Compat.CANONICAL)
    assert unseen == {each.twin_of for each in CATALOG if each.origin is Origin.TWIN}
    assert catalog.REQUESTS not in unseen


@pytest.mark.parametrize("compat", Compat)
def test_a_panel_reads_only_what_is_served(compat):
    served = {
        name
        for metric in set(CATALOG) - hidden(compat)
        for name in (
            [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
            if isinstance(metric, Histogram)
            else [metric.name]
        )
    }
    assert names_of(panels_of(compat, LIMITS)) <= served


@pytest.mark.parametrize(
    ("compat", "changed"), [(Compat.SEED, SEED_ONLY), (Compat.CANONICAL, CANONICAL_ONLY)]
)
def test_the_other_name_is_read_instead(compat, changed):
    found = {
        panel.id: panel.expression.promql()
        for panel, usual in zip(panels_of(compat, LIMITS), PANELS, strict=True)
        if panel.expression != usual.expression
    }
    assert found == changed


@pytest.mark.parametrize("compat", Compat)
def test_only_the_query_of_a_panel_depends_on_the_names(compat):
    for panel, usual in zip(panels_of(compat, LIMITS), PANELS, strict=True):
        assert panel.expression.labels == usual.expression.labels
        assert (panel.id, panel.title, panel.total) == (usual.id, usual.title, usual.total)


def test_the_limits_are_those_that_were_chosen():
    panels = {panel.id: panel for panel in panels_of(Compat.BOTH, Limits(1.5, 20))}
    assert panels["ttft"].thresholds == (1.5, 7.5)
    assert panels["tpot"].thresholds == (0.05, 0.25)
    assert panels["gpu_temperature"].thresholds == (80, 90)
