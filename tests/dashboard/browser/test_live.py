"""Values arrive, stop, and come back."""

import time

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser.scenes import (
    HELPER_OFF,
    NO_GPU,
    PANELS,
    STATES,
    STEP_S,
    WAITING,
    Scene,
)

WAIT_MS = 20_000
DASH = "\N{EN DASH}"
expect.set_options(timeout=WAIT_MS)


def wait_for_socket(page, stand_in):
    """Ticks that are pushed before the page listens are lost."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not stand_in.has_listener:
        assert time.monotonic() < deadline, "no WebSocket came"
        page.wait_for_timeout(50)


def test_a_tick_changes_a_tile_at_once(open_page):
    page, stand_in = open_page()
    wait_for_socket(page, stand_in)
    stand_in.scene.panels = {"active_requests": {"all": 17}, "ttft": {"a": 0.412, "b": 3.2}}
    asked_before = len(stand_in.requests)
    stand_in.push()
    expect(page.locator("#tile-active_requests .number")).to_have_text("17")
    ttft = page.locator("#tile-ttft")
    expect(ttft.locator(".number")).to_have_text("3.20")
    expect(ttft).to_contain_text("p95 · slowest: b")
    expect(ttft.locator(".limit")).to_have_text("over 2 s")
    assert [path for path in stand_in.requests[asked_before:] if "api" in path] == []
    assert page.complaints == []


MOVES = """
window.moved = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.moved += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""


def test_a_tick_moves_nothing_on_the_page(new_stand_in, new_page):
    stand_in = new_stand_in(Scene())
    page = new_page()
    page.add_init_script(MOVES)
    page.goto(stand_in.url)
    wait_for_socket(page, stand_in)
    page.wait_for_timeout(500)
    before = page.evaluate("window.moved")
    for number in (1, 17, 123_456, 0):
        stand_in.scene.panels = {
            "active_requests": {"all": number},
            "ttft": {"a": number / 1000, "b": 3.2},
            "token_rate": {"a": number * 1.5},
        }
        stand_in.push()
        expect(page.locator("#tile-active_requests .number")).to_have_text(f"{number}")
        page.wait_for_timeout(100)
    # A unit follows its number when that grows; nothing else may move.
    assert page.evaluate("window.moved") - before < 0.005


def test_a_tile_says_whether_it_is_a_sum_or_the_worst(open_page):
    page, stand_in = open_page()
    wait_for_socket(page, stand_in)
    stand_in.scene.panels = {
        "token_rate": {"a": 10, "b": 5.5},
        "request_rate": {"a POST /api/chat 200": 1, "a POST /api/chat 404": 2},
        "tpot": {"a": 0.02},
    }
    stand_in.push()
    tokens = page.locator("#tile-token_rate")
    expect(tokens.locator(".number")).to_have_text("15.5")
    expect(tokens).to_contain_text("sum of 2 models")
    expect(page.locator("#tile-request_rate")).to_contain_text("3.00")
    expect(page.locator("#tile-request_rate .which")).to_have_text("a")
    expect(page.locator("#tile-tpot .which")).to_have_text("p95 · a")


def test_the_unknown_is_a_dash_and_zero_is_zero(open_page):
    page, stand_in = open_page(Scene(absent=["gpu"]))
    wait_for_socket(page, stand_in)
    stand_in.scene.panels = {"ttft": {"a": None}, "active_requests": {"all": 0}, "tpot": {}}
    stand_in.scene.models = [{"name": "m", "size_bytes": None, "vram_bytes": None, "expires": None}]
    stand_in.push()
    expect(page.locator("#tile-active_requests .number")).to_have_text("0")
    for panel in ("ttft", "tpot", "gpu"):
        expect(page.locator(f"#tile-{panel} .number")).to_have_text(DASH)
        expect(page.locator(f"#tile-{panel} .unit")).to_have_text("")
    expect(page.locator("#models dd")).to_have_text([DASH] * 4)


@pytest.mark.parametrize("state", [state for state in STATES if state != "live"])
def test_each_state_is_said_once_with_what_to_do(open_page, state):
    page, _ = open_page(Scene(state, is_empty=state == "waiting"))
    said = STATES[state]
    status = page.locator("#status")
    expect(status).to_have_attribute("data-level", said["level"])
    expect(status).to_contain_text(said["text"])
    banner = page.locator("#banner")
    expect(banner.locator(".title")).to_have_text(said["text"])
    expect(banner).to_contain_text(said["hint"])
    assert page.locator("[aria-live]").count() == 1
    assert page.complaints == []


def test_live_needs_no_banner(open_page):
    page, stand_in = open_page(Scene("upstream_down"))
    expect(page.locator("#banner")).to_be_visible()
    wait_for_socket(page, stand_in)
    stand_in.show(Scene(now=stand_in.scene.now))
    expect(page.locator("#status .label")).to_have_text("Live")
    expect(page.locator("#banner")).to_be_hidden()
    expect(page).to_have_title("ollamon")


def test_waiting_has_one_banner_and_no_empty_chart(open_page):
    scene = Scene("waiting", is_empty=True, absent=["gpu", "gpu_power"], notes=[HELPER_OFF])
    page, _ = open_page(scene)
    expect(page.locator("#banner code")).to_have_text(WAITING["hint"])
    hardware = [panel["id"] for panel in PANELS if panel["section"] == "Hardware"]
    shown = [f"panel-{id_}" for id_ in hardware if id_ not in scene.absent]
    figures = page.locator("figure")
    expect(figures).to_have_count(len(shown))
    assert figures.evaluate_all("all => all.map(one => one.id)") == shown
    expect(page.get_by_text("With the first request:")).to_have_count(1)


def test_absent_hardware_is_one_line_in_its_section(open_page):
    hardware = [panel["id"] for panel in PANELS if panel["section"] == "Hardware"]
    page, _ = open_page(Scene(absent=hardware, notes=[NO_GPU, HELPER_OFF]))
    section = page.get_by_role("region", name="Hardware")
    expect(section).to_contain_text(NO_GPU["text"])
    expect(section.locator("code")).to_have_text(HELPER_OFF["hint"])
    expect(section.locator("figure")).to_have_count(0)
    expect(page.get_by_role("region", name="Latency").locator("figure")).to_have_count(3)


def test_a_panel_appears_in_its_place_with_its_first_value(open_page):
    page, stand_in = open_page(Scene(absent=["tpot"]))
    wait_for_socket(page, stand_in)
    latency = page.get_by_role("region", name="Latency")
    expect(latency.locator("figure")).to_have_count(2)
    expect(latency).to_contain_text("No values for Time per output token (p95).")
    stand_in.scene.absent.clear()
    stand_in.push()
    expect(latency.locator("figure h3")).to_have_text(
        ["Time to first token, p95", "Time per output token, p95", "Average request duration"]
    )
    expect(latency.locator(".absent")).to_be_hidden()


def test_a_lost_dashboard_is_said_and_its_return_seen(open_page):
    page, stand_in = open_page()
    wait_for_socket(page, stand_in)
    stand_in.stop()
    status = page.locator("#status")
    expect(status).to_contain_text("Connection lost")
    expect(page.locator("#counting")).to_contain_text("again in")
    expect(page.locator("#source")).to_contain_text("old")
    expect(page.locator("html")).to_have_attribute("data-stale", "")
    expect(page.locator("#tile-cpu .number")).not_to_have_text(DASH)
    stand_in.scene.now += 20 * STEP_S
    stand_in.requests.clear()
    stand_in.start()
    expect(status).to_contain_text("Live", timeout=30_000)
    expect(page.locator("html")).not_to_have_attribute("data-stale", "")
    wait_for_socket(page, stand_in)
    assert any("/api/history" in path for path in stand_in.requests), "what was missed is fetched"


def test_a_dashboard_that_leaves_is_not_a_lost_one(open_page):
    page, stand_in = open_page()
    wait_for_socket(page, stand_in)
    stand_in.say_goodbye()
    stand_in.stop()
    expect(page.locator("#status")).to_contain_text("The dashboard was stopped")
    expect(page.locator("#banner code")).to_have_text("ollamon up")


def test_silence_is_said(open_page):
    page, stand_in = open_page()
    wait_for_socket(page, stand_in)
    expect(page.locator("#status")).to_contain_text("No new values", timeout=40_000)
    expect(page.locator("#counting")).to_contain_text("for ")
    stand_in.push()
    expect(page.locator("#status .label")).to_have_text("Live")


def test_without_a_websocket_the_page_polls(new_stand_in, new_page):
    stand_in = new_stand_in(Scene())
    stand_in.refuses_sockets = True
    page = new_page()
    page.goto(stand_in.url)
    expect(page.locator("#source")).to_contain_text("polled")
    expect(page.locator("#status .label")).to_have_text("Live")
    stand_in.scene.panels = {"active_requests": {"all": 23}}
    stand_in.scene.step()
    expect(page.locator("#tile-active_requests .number")).to_have_text("23")
    stand_in.refuses_sockets = False
    wait_for_socket(page, stand_in)
    expect(page.locator("#source")).not_to_contain_text("polled")


def test_a_dashboard_that_is_not_ready_yet_is_asked_again(new_stand_in, new_page):
    stand_in = new_stand_in(Scene())
    stand_in.is_ready = False
    page = new_page()
    page.goto(stand_in.url)
    expect(page.locator("#status")).to_contain_text("Connecting")
    expect(page.locator("#tiles .tile")).to_have_count(0)
    stand_in.is_ready = True
    expect(page.locator("#tiles .tile")).not_to_have_count(0)


def test_a_paused_page_holds_its_values_and_catches_up(open_page):
    page, stand_in = open_page()
    wait_for_socket(page, stand_in)
    stand_in.scene.panels = {"active_requests": {"all": 11}}
    stand_in.push()
    number = page.locator("#tile-active_requests .number")
    expect(number).to_have_text("11")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#source")).to_contain_text("paused at")
    stand_in.scene.panels = {"active_requests": {"all": 12}}
    stand_in.scene.status = STATES["upstream_down"]
    stand_in.push()
    expect(page.locator("#status")).to_contain_text("Ollama not reachable")
    expect(number).to_have_text("11")
    page.get_by_role("button", name="Pause").click()
    expect(number).to_have_text("12")


def test_a_hidden_page_drops_ticks_and_fetches_history_on_return(open_page):
    page, stand_in = open_page(bypass_csp=True)
    wait_for_socket(page, stand_in)
    number = page.locator("#tile-active_requests .number")
    hide = "is => { Object.defineProperty(document, 'hidden', { value: is, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    before = number.text_content()
    page.evaluate(hide, True)
    stand_in.requests.clear()
    stand_in.scene.panels = {"active_requests": {"all": 31}}
    stand_in.push()
    page.wait_for_timeout(300)
    expect(number).to_have_text(before)
    page.evaluate(hide, False)
    expect(number).to_have_text("31")
    assert [path for path in stand_in.requests if "history" in path] == ["/api/history?range=15m"]


def test_a_demo_says_so(new_stand_in, new_page):
    page = new_page()
    page.goto(new_stand_in(Scene(is_demo=True), is_demo=True).url)
    expect(page.get_by_text("DEMO", exact=True)).to_be_visible()
    page.goto(new_stand_in(Scene()).url)
    expect(page.get_by_text("DEMO", exact=True)).to_be_hidden()
