import psutil
from prometheus_client import CollectorRegistry

from ollamon import __version__
from ollamon.metrics import catalog
from ollamon.metrics.instruments import Instruments
from ollamon.proxy.own import show_own_process


def test_the_process_shows_what_the_system_says_of_it():
    registry = CollectorRegistry()
    show_own_process(Instruments(registry).board)
    process = psutil.Process()
    value = registry.get_sample_value
    assert value(catalog.PROCESS_START.name) == process.create_time()
    assert value(catalog.PROCESS_MEMORY.name) > 1e6
    assert value(catalog.PROCESS_FDS.name) >= 3
    before = value(catalog.PROCESS_CPU.name)
    assert before <= sum(process.cpu_times()[:2])


def test_the_build_is_one():
    registry = CollectorRegistry()
    show_own_process(Instruments(registry).board)
    (sample,) = next(
        family.samples for family in registry.collect() if family.name == catalog.BUILD_INFO.name
    )
    assert sample.labels["version"] == __version__
    assert sample.value == 1


def test_a_number_that_cannot_be_read_is_unknown(monkeypatch):
    def refuse(_: psutil.Process) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "num_fds", refuse)
    registry = CollectorRegistry()
    show_own_process(Instruments(registry).board)
    assert registry.get_sample_value(catalog.PROCESS_FDS.name) is None
    assert registry.get_sample_value(catalog.PROCESS_MEMORY.name) > 1e6
