"""One stream of powermetrics, seen equal at every hop: helper, proxy, Prometheus, API, page."""

import json
import subprocess
import sys
import time

import pytest
from playwright.sync_api import expect

from tests.fakes import chromium, powermetrics
from tests.system.conftest import chat
from tests.system.stack import eventually, fetch

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

IDLE_GPU_MW = 250
BUSY_GPU_MW = 20_250
VALUES = {"cpu_mw": 3000.0, "idle": 0.75}


@pytest.fixture
def meter(tmp_path):
    """The file that says what the GPU draws."""
    path = tmp_path / "gpu_mw"
    path.write_text(str(IDLE_GPU_MW))
    return path


@pytest.fixture
def stack(new_stack, llama_server, tmp_path, meter):
    made = new_stack(llama_server)
    program = powermetrics.program(
        tmp_path / "powermetrics", "meter", gpu_mw_in=str(meter), **VALUES
    )
    launcher = powermetrics.ROOT / "tests" / "fakes" / "serve_helper.py"
    helper = subprocess.Popen(
        [sys.executable, launcher, str(made.ports["helper"]), program], stdin=subprocess.PIPE
    )
    try:
        # Power is a mean over four seconds.
        eventually(lambda: read(made)["cpu"]["power_mw"], "the helper knows the power")
        made.up("--with-helper")
        yield made
        made.run("down")
    finally:
        helper.communicate(timeout=60)


def read(stack):
    return json.loads(fetch(stack.url("helper", "/metrics")))


def is_told(stack, name, value, **labels):
    """Wait until the proxy and Prometheus say the same value of a series."""
    text = ",".join(f'{key}="{word}"' for key, word in labels.items())
    query = f"{name}{{{text}}}"
    eventually(lambda: stack.total(name, **labels) == value, f"proxy: {query} is {value}")
    eventually(
        lambda: [float(each["value"][1]) for each in stack.query(query)] == [value],
        f"Prometheus: {query} is {value}",
    )


def panel(stack, name):
    """The values of a panel, as the page gets them."""
    return list(stack.tick()["panels"].get(name, {}).values())


def values_are_equal_at_every_hop(stack):
    assert "helper" not in stack.children()
    reading = read(stack)
    (gpu,) = reading["gpu"]
    assert (gpu["utilization_percent"], gpu["power_mw"], gpu["frequency_mhz"]) == (25, 250, 338)
    assert (reading["cpu"]["power_mw"], reading["thermal"]["pressure"]) == (3000, "nominal")
    for name, value, labels in (
        ("ollama_gpu_utilization_ratio", 0.25, {"gpu": "apple0"}),
        ("ollama_gpu_power_watts", 0.25, {"gpu": "apple0"}),
        ("ollama_gpu_frequency_hertz", 338e6, {"gpu": "apple0"}),
        ("ollama_host_power_watts", 3.0, {"component": "cpu"}),
        ("ollama_host_power_watts", 0.0, {"component": "ane"}),
        ("ollama_host_thermal_pressure_level", 0.0, {}),
        ("ollama_proxy_gpu_active_residency_percent", 25.0, {}),
        ("ollama_proxy_gpu_power_milliwatts", 250.0, {}),
        ("ollama_proxy_cpu_power_milliwatts", 3000.0, {}),
        ("ollamon_collector_up", 1.0, {"collector": "powermetrics"}),
    ):
        is_told(stack, name, value, **labels)
    for name, value in (("gpu", 25), ("gpu_power", 250), ("cpu_power", 3000)):
        eventually(lambda n=name, v=value: panel(stack, n) == [v], f"/api/metrics: {name}")


def energy_is_shared(stack, meter):
    """Let requests run while the GPU draws 20 W more, and follow their joules."""
    idle = eventually(lambda: stack.total("ollama_host_idle_power_watts"), "idle power is known")
    assert idle == pytest.approx(3.25, rel=0.05)
    began = time.monotonic()
    meter.write_text(str(BUSY_GPU_MW))
    while time.monotonic() < began + 5:
        chat(stack.url("proxy"), tokens=64)
    meter.write_text(str(IDLE_GPU_MW))
    took_s = time.monotonic() - began

    def settled():
        rows = json.loads(fetch(stack.url("metrics", "/api/requests")))["requests"]
        ours = [row["joules"] for row in rows if row["endpoint"] == "/v1/chat/completions"]
        return ours if ours and None not in ours else None

    joules = eventually(settled, "each request knows its energy")
    name = "ollama_proxy_energy_joules_total"
    whole = pytest.approx(sum(joules))
    eventually(lambda: stack.total(name, model="tiny") == whole, "the model has all of it")
    model = stack.total(name, model="tiny")
    # The last intervals of 2 s on either side are shared whole.
    assert 0.5 * 20 * took_s < model < 20 * (took_s + 2 * 2)
    is_told(stack, name, model, model="tiny")
    idle = stack.total("ollama_host_idle_power_watts")
    eventually(lambda: panel(stack, "idle_power") == [pytest.approx(idle, rel=0.05)], "idle power")
    eventually(lambda: (panel(stack, "energy_per_token") or [0])[0] > 0, "energy of a token")


def the_page_shows_it(stack):
    with chromium.running() as browser:
        page = browser.new_page()
        page.goto(stack.url("dashboard", "/"))
        expect(page.locator("#tile-gpu")).to_contain_text("25", timeout=30_000)
        for name, text in (("gpu", "25"), ("gpu_power", "250 mW"), ("cpu_power", "3.00 W")):
            readout = page.locator(f"#panel-{name} .readout")
            expect(readout).to_contain_text(text, timeout=30_000)
        energy = page.get_by_role("region", name="Energy")
        expect(energy).to_contain_text("J/tok")
        expect(page.locator("#panel-idle_power .readout")).to_contain_text("3.2")


def test_values_and_energy_are_equal_at_every_hop(stack, meter):
    values_are_equal_at_every_hop(stack)
    energy_is_shared(stack, meter)
    eventually(lambda: read(stack)["gpu"][0]["power_mw"] == 250, "the GPU rests")
    the_page_shows_it(stack)
