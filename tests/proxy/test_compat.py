"""The three settings of metrics.compat, from an observation to the number on the page."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ollamon.compat import Compat
from ollamon.dashboard.sources.exposition import Exposition
from ollamon.host import disk
from ollamon.metrics import catalog
from ollamon.metrics.expressions import Vector
from ollamon.metrics.instruments import Instruments
from ollamon.metrics.panels import Limits, names_of
from ollamon.metrics.series import SeriesStore
from ollamon.metrics.served import panels_of
from ollamon.proxy import hardware
from tests.proxy.test_hardware import READING

LIMITS = Limits(2, 10)


def text_of(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def families_in(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


@pytest.mark.parametrize("compat", Compat)
def test_what_is_served_is_what_is_declared_and_not_hidden(compat):
    registry = CollectorRegistry()
    Instruments(registry, compat=compat)
    shown = set(catalog.CATALOG) - catalog.hidden(compat)
    assert families_in(text_of(registry)) == {metric.name for metric in shown}


def feed(instruments: Instruments, seconds: int) -> None:
    """A machine that reads 2 MB/s and a model that makes 7 to 90 tokens a second."""
    step, total = disk.Counters(2_000_000, 500_000, 10, 5), seconds
    sums = disk.Counters(2_000_000 * total, 500_000 * total, 10 * total, 5 * total)
    samples = (
        hardware.disk_samples(step, sums, 1.0)
        | hardware.helper_samples(READING)
        | hardware._pair(catalog.CPU_USAGE_RATIO, {(): 0.37})
        | hardware._pair(catalog.MEMORY_USED, {(): 7.0 * 2**30})
        | hardware._pair(catalog.MEMORY_PRESSURE_RATIO, {("psi",): 0.61})
    )
    for metric, values in samples.items():
        instruments.board.replace(metric, values)
    for rate in (7.0, 12.0, 44.0, 90.0):
        instruments.histogram(catalog.TOKENS_PER_SECOND).labels("m").observe(rate)
        instruments.histogram(catalog.TIME_PER_OUTPUT_TOKEN).labels("m").observe(1 / rate)


def page(compat: Compat) -> dict[str, Vector]:
    """What the page shows after a minute of scrapes."""
    registry = CollectorRegistry()
    instruments = Instruments(registry, compat=compat)
    panels, store = panels_of(compat, LIMITS), SeriesStore()
    exposition = Exposition(names_of(panels))
    for seconds in range(0, 65, 5):
        feed(instruments, seconds)
        store.add(1000 + seconds, exposition.parse(text_of(registry)))
    return {panel.id: panel.expression.eval(store, 1060) for panel in panels}


def test_the_page_shows_the_same_under_every_name():
    both, seed, canonical = (page(compat) for compat in Compat)
    hardware_panels = {"gpu", "memory", "cpu", "memory_pressure", "gpu_power", "cpu_power"}
    for name in (*hardware_panels, "temperature", "disk_read", "disk_write", "gpu_temperature"):
        assert both[name], name
        assert canonical[name] == {key: pytest.approx(value) for key, value in both[name].items()}
        assert seed[name] == both[name]
    assert canonical["tpot"] == both["tpot"]


def test_without_the_twin_the_slowest_token_lies_in_the_bucket_of_the_slowest_rate():
    (value,) = page(Compat.SEED)["tpot"].values()
    # 95 % of the answers were faster than the 5th percentile of rates, which lies from 5 to 7.5.
    assert 1 / 7.5 <= value <= 1 / 5
