"""One stream of powermetrics, seen equal at every hop: helper, proxy, Prometheus, page."""

import json
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.fakes import chromium, powermetrics
from tests.system.conftest import chat
from tests.system.stack import eventually, fetch

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

VALUES = {"cpu_mw": 3000.0, "gpu_mw": 250.0, "idle": 0.75}


@pytest.fixture
def stack(new_stack, llama_server, tmp_path):
    made = new_stack(llama_server)
    program = powermetrics.program(tmp_path / "powermetrics", "stream", **VALUES)
    launcher = powermetrics.ROOT / "tests" / "fakes" / "serve_helper.py"
    helper = subprocess.Popen(
        [sys.executable, launcher, str(made.ports["helper"]), program], stdin=subprocess.PIPE
    )
    try:
        eventually(lambda: read(made)["gpu"], "the helper has a sample")
        made.up("--with-helper")
        yield made
        made.run("down")
    finally:
        helper.communicate(timeout=60)


def read(stack):
    return json.loads(fetch(stack.url("helper", "/metrics")))


def test_values_are_equal_at_every_hop(stack):
    assert "helper" not in stack.children()
    reading = read(stack)
    (gpu,) = reading["gpu"]
    assert (gpu["utilization_percent"], gpu["power_mw"]) == (25.0, 250)
    assert (reading["cpu"]["power_mw"], reading["thermal"]["pressure"]) == (3000, "nominal")
    for name, labels, value in (
        ("ollama_gpu_utilization_ratio", {"gpu": "apple0"}, 0.25),
        ("ollama_gpu_power_watts", {"gpu": "apple0"}, 0.25),
        ("ollama_host_power_watts", {"component": "cpu"}, 3.0),
        ("ollama_proxy_gpu_active_residency_percent", {}, 25.0),
    ):
        eventually(lambda n=name, k=labels, v=value: stack.total(n, **k) == v, f"proxy: {name}")
        text = ",".join(f'{key}="{word}"' for key, word in labels.items())
        eventually(
            lambda q=f"{name}{{{text}}}", v=value: (
                [float(each["value"][1]) for each in stack.query(q)] == [v]
            ),
            f"Prometheus: {name}",
        )
    panel = eventually(lambda: stack.tick()["panels"]["gpu"], "the dashboard has it")
    assert list(panel.values()) == [25.0]
    chat(stack.url("proxy"))
    with chromium.running() as browser:
        page = browser.new_page()
        page.goto(stack.url("dashboard", "/"))
        expect(page.locator("#tile-gpu")).to_contain_text("25", timeout=30_000)
