"""A real VictoriaMetrics in Prometheus' place: it has its own ways with ranges and windows."""

import math
import shutil
import subprocess
import time
import urllib.request

import pytest

from ollamon.dashboard.sources.prometheus import Prometheus
from ollamon.dashboard.sources.source import Span
from ollamon.metrics import catalog
from tests.system.stack import eventually, free_ports

# Not long ago, and no multiple of the step.
END = int(time.time()) // 60 * 60 - 58
TOKENS = catalog.GENERATED_TOKENS.name
MEMORY = catalog.MEMORY_USAGE.name


def call(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, body, timeout=10) as answer:
        return answer.read()


@pytest.fixture
def victoria(tmp_path):
    program = shutil.which("victoria-metrics")
    assert program, "victoria-metrics is not installed: see scripts/prepare"
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    words = [
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={tmp_path}",
        "-retentionPeriod=10y",
    ]
    process = subprocess.Popen(
        [program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: call(f"{url}/health"), "VictoriaMetrics answers")
        yield url
    finally:
        process.kill()
        process.wait()


def test_values_and_ranges_come_from_victoriametrics(victoria):
    lines = [
        f'{TOKENS}{{model="tiny",instance="box",job="ollama_proxy"}} {2 * (t - END + 900)} {t}000\n'
        f'{MEMORY}{{instance="box",job="ollama_proxy"}} {1024 * 1024} {t}000\n'
        for t in range(END - 900, END + 1, 5)
    ]
    call(f"{victoria}/api/v1/import/prometheus", "".join(lines).encode())
    call(f"{victoria}/internal/force_flush")
    source = Prometheus(victoria)
    reading = source.read(END)
    (rate,) = reading.panels["token_rate"].values()
    (memory,) = reading.panels["memory"].values()
    assert rate == pytest.approx(2)
    assert memory == 1
    history = source.history(Span(END, 600, 5))
    (column,) = history.panels["token_rate"].values()
    assert len(column) == 120
    assert not any(map(math.isnan, column))
    assert column == pytest.approx([2] * 120)
