from prometheus_client import CollectorRegistry

from ollamon.metrics import catalog
from ollamon.metrics.instruments import Instruments
from ollamon.proxy.collectors import CollectorHealth


def test_a_source_tells_how_it_fares():
    registry = CollectorRegistry()
    now = [10.0]
    board = Instruments(registry, clock=lambda: now[0]).board
    health = CollectorHealth(board, "host", clock=lambda: now[0], wall=lambda: 1.7e9)

    def value(metric: catalog.Metric) -> float | None:
        return registry.get_sample_value(metric.name, {"collector": "host"})

    def seen() -> tuple[float | None, ...]:
        return tuple(
            map(
                value,
                (
                    catalog.COLLECTOR_UP,
                    catalog.COLLECTOR_ERRORS,
                    catalog.COLLECTOR_LAST_SUCCESS,
                    catalog.COLLECTOR_DURATION,
                ),
            )
        )

    assert seen() == (None, 0, None, None)
    health.failed(30, is_starting=True)
    assert seen() == (None, 0, None, None)
    health.begin()
    now[0] = 10.5
    health.worked(30)
    assert seen() == (1, 0, 1.7e9, 0.5)
    health.failed(30)
    assert seen() == (0, 1, 1.7e9, 0.5)
    now[0] = 50.0
    assert seen() == (None, 1, 1.7e9, 0.5)
