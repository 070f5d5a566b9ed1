"""For everyone: contrast and structure, small screens, keys, tables, and a strict policy."""

import re

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser.scenes import HELPER_OFF, MODELS, NOW, PANELS, Scene
from tests.dashboard.browser.test_live import wait_for_socket

TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
WIDE = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
LOOKS = {
    "light": {**WIDE, "color_scheme": "light"},
    "dark": {**WIDE, "color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "dark", "has_touch": True},
    "phone_light": {**PHONE, "color_scheme": "light", "has_touch": True},
}
EVIL = "<img src=x onerror=alert(1)>"
CONTRASTS = """() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const luminance = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((byte) => {
      const share = byte / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const card = luminance(getComputedStyle(document.querySelector('.tile')).backgroundColor);
  const probe = document.body.appendChild(document.createElement('span'));
  const names = ['sx', ...Array.from({ length: 12 }, (_, i) => `s${i}`)];
  return Object.fromEntries(names.map((name) => {
    probe.className = `probe ${name}`;
    const line = luminance(getComputedStyle(probe).color);
    return [name, (Math.max(line, card) + 0.05) / (Math.min(line, card) + 0.05)];
  }));
}"""
SCENES = {
    "live": lambda: Scene(gap=(400, 300)),
    "demo": lambda: Scene(is_demo=True),
    "waiting": lambda: Scene("waiting", is_empty=True, notes=[HELPER_OFF], absent=["gpu"]),
    "prometheus_down": lambda: Scene("prometheus_down", source="embedded"),
    "upstream_down": lambda: Scene("upstream_down"),
    "not_ollama": lambda: Scene("not_ollama"),
    "proxy_down": lambda: Scene("proxy_down"),
    "lost": Scene,
}


def axe(page, script):
    """Evaluated outside the page's policy; the page itself is tested under it elsewhere."""
    page.evaluate(script)
    found = page.evaluate("tags => axe.run({ runOnly: tags })", TAGS)
    assert len(found["passes"]) >= 10, "axe looked at something"
    return [
        (
            violation["id"],
            [node["target"] + [node["failureSummary"]] for node in violation["nodes"]],
        )
        for violation in found["violations"]
    ]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", SCENES)
def test_no_violation_and_no_sideways_scrolling(open_page, axe_script, name, look):
    page, stand_in = open_page(SCENES[name](), bypass_csp=True, **LOOKS[look])
    page.locator("figure canvas").first.wait_for()
    if name == "lost":
        wait_for_socket(page, stand_in)
        stand_in.stop()
        page.locator("html[data-stale]").wait_for()
        page.complaints.clear()
    assert axe(page, axe_script) == []
    # Not innerWidth: on a phone that grows with what sticks out.
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= LOOKS[look]["viewport"]["width"]
    if name != "lost":
        assert page.complaints == []


@pytest.mark.parametrize("look", ["light", "phone"])
def test_no_violation_with_everything_open(open_page, axe_script, look):
    page, _ = open_page(bypass_csp=True, **LOOKS[look])
    panel = page.locator("#panel-ttft")
    panel.get_by_role("button", name="Show as table").click()
    page.locator("#panel-tpot").get_by_role("button", name="About").click()
    assert axe(page, axe_script) == []
    page.locator("#keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert axe(page, axe_script) == []


def test_the_page_lives_under_its_own_policy_and_asks_nobody_else(open_page):
    page, stand_in = open_page()
    wait_for_socket(page, stand_in)
    stand_in.push()
    page.locator("#panel-ttft .u-over").hover()
    expect(page.locator("#tooltip")).to_be_visible()
    page.get_by_role("radio", name="1h", exact=True).check(force=True)
    expect(page).to_have_url(f"{stand_in.url}?range=1h")
    host = f"127.0.0.1:{stand_in.port}/"
    ours = (f"http://{host}", f"ws://{host}", "data:")
    assert [url for url in page.asked_for if not url.startswith(ours)] == []
    assert any(url.startswith("ws://") for url in page.asked_for)
    assert page.complaints == []


def test_names_from_outside_are_text(open_page):
    scene = Scene()
    scene.panels = {id_: {EVIL: 1.5} for id_ in ("ttft", "tpot", "errors", "gpu")}
    scene.models = [{"name": EVIL, "size_bytes": 1e9, "offload_ratio": 1}]
    scene.status["text"] = EVIL
    scene.status["kind"] = "upstream_down"
    scene.status["hint"] = EVIL
    scene.notes = [{"kind": "helper_down", "text": EVIL, "hint": EVIL}]
    page, _ = open_page(scene)
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    expect(page.locator("#models h3")).to_have_text(EVIL)
    expect(page.locator("#banner .title")).to_have_text(EVIL)
    expect(page.locator("#legend")).to_contain_text(EVIL)
    expect(page.locator("#tile-ttft .which")).to_contain_text(EVIL)
    page.locator("#panel-ttft .u-over").hover()
    expect(page.locator("#tooltip")).to_contain_text(EVIL)
    page.locator("#panel-ttft").get_by_role("button", name="Show as table").click()
    expect(page.locator("#panel-ttft table")).to_contain_text(EVIL)
    page.locator("#model").select_option(EVIL)
    expect(page).to_have_url(re.compile(r"model=%3Cimg"))
    page.reload()
    expect(page.locator("#model")).to_have_value(EVIL)
    assert page.locator("img").count() == 0
    assert dialogs == []
    assert page.complaints == []


def test_the_url_holds_range_and_model(open_page):
    page, stand_in = open_page(query="?range=1h&model=qwen3:8b")
    expect(page.get_by_role("radio", name="1h", exact=True)).to_be_checked()
    expect(page.locator("#model")).to_have_value("qwen3:8b")
    expect(page.locator("#tile-ttft .which")).to_have_text("p95 · qwen3:8b")
    expect(page.locator("#tile-active_requests .which")).to_have_text("all models")
    assert "/api/history?range=1h" in stand_in.requests
    page.get_by_role("radio", name="5m", exact=True).check(force=True)
    expect(page).to_have_url(f"{stand_in.url}?range=5m&model=qwen3:8b")
    page.locator("#model").select_option("")
    expect(page).to_have_url(f"{stand_in.url}?range=5m")
    page.reload()
    expect(page.get_by_role("radio", name="5m", exact=True)).to_be_checked()


def dragged(page, panel: str, start: int, end: int) -> None:
    page.locator(f"#{panel}").scroll_into_view_if_needed()
    box = page.locator(f"#{panel} .u-over").bounding_box()
    page.mouse.move(box["x"] + start, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + end, box["y"] + 50, steps=4)
    page.mouse.up()


def test_a_stretch_is_dragged_kept_in_the_url_and_left_again(open_page):
    page, stand_in = open_page(**WIDE)
    wait_for_socket(page, stand_in)
    page.locator("#panel-tpot canvas").wait_for()
    dragged(page, "panel-tpot", 60, 160)
    expect(page).to_have_url(re.compile(r"\?from=\d+&to=\d+$"))
    start, end = map(int, re.findall(r"\d{10}", page.url))
    assert NOW - 900 < start < end < NOW
    assert stand_in.requests.count(f"/api/history?from={start}&to={end}") == 1
    stretch = page.get_by_role("button", name="back to the range")
    expect(stretch).to_be_visible()
    expect(page.locator("#range :checked")).to_have_count(0)
    page.locator("#panel-ttft").get_by_role("button", name="Show as table").click()
    rows = page.locator("#panel-ttft tbody tr")
    count = rows.count()
    stand_in.scene.panels = {"active_requests": {"all": 17}}
    stand_in.push()
    expect(page.locator("#tile-active_requests .number")).to_have_text("17")
    assert rows.count() == count
    page.reload()
    expect(stretch).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(stand_in.url)
    expect(page.get_by_role("radio", name="15m", exact=True)).to_be_checked()
    expect(stretch).to_be_hidden()
    assert page.complaints == []


def test_a_click_on_a_chart_chooses_no_stretch(open_page):
    page, stand_in = open_page(**WIDE)
    page.locator("#panel-ttft .u-over").click()
    dragged(page, "panel-ttft", 50, 54)
    page.wait_for_timeout(100)
    assert page.url == stand_in.url


def test_the_legend_shows_a_model_alone_and_all_again(open_page):
    page, _ = open_page()
    chip = page.locator("#legend").get_by_role("button", name="qwen3:8b")
    assert page.locator("#legend button").count() == len(MODELS)
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#model")).to_have_value("qwen3:8b")
    expect(page.locator("#models h3")).to_have_text("qwen3:8b")
    chip.click()
    expect(page.locator("#model")).to_have_value("")


def test_a_model_that_is_not_there_is_still_in_the_filter(open_page):
    page, _ = open_page(query="?model=gone:1b")
    expect(page.locator("#model")).to_have_value("gone:1b")
    expect(page.locator("#tile-ttft .number")).to_have_text("\N{EN DASH}")
    expect(page.locator("#models")).to_contain_text("gone:1b is not in memory.")


def test_keys(open_page):
    page, stand_in = open_page()
    page.keyboard.press("3")
    expect(page.get_by_role("radio", name="1h", exact=True)).to_be_checked()
    page.keyboard.press("1")
    expect(page).to_have_url(f"{stand_in.url}?range=5m")
    page.keyboard.press("p")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("p")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keys")
    expect(help_).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    page.keyboard.press("m")
    expect(page.locator("#model")).to_be_focused()
    page.keyboard.press("t")
    expect(page.locator("html")).not_to_have_attribute("data-theme", re.compile(".*"))


def test_the_theme_goes_round_and_is_kept(open_page):
    page, _ = open_page(color_scheme="light")
    root = page.locator("html")
    paper = page.locator("body")
    bright = "rgb(245, 246, 248)"
    expect(paper).to_have_css("background-color", bright)
    page.keyboard.press("t")
    expect(root).to_have_attribute("data-theme", "light")
    page.keyboard.press("t")
    expect(root).to_have_attribute("data-theme", "dark")
    expect(paper).not_to_have_css("background-color", bright)
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    page.keyboard.press("t")
    expect(root).not_to_have_attribute("data-theme", re.compile(".*"))
    expect(paper).to_have_css("background-color", bright)


def test_the_first_tab_stop_leads_past_the_header(open_page):
    page, _ = open_page()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the values")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_cursors_move_together_and_captions_follow(open_page):
    page, _ = open_page(**WIDE)
    charts = page.locator(".uplot").count()
    assert charts == len(PANELS)
    page.locator("#panel-ttft .u-over").hover(position={"x": 60, "y": 40})
    expect(page.locator("#tooltip .entry")).to_have_count(len(MODELS))
    expect(page.locator(".u-cursor-x:not(.u-off)")).to_have_count(charts)
    then = page.locator("#panel-cpu .readout .number").text_content()
    assert then != page.locator("#tile-cpu .number").text_content()
    page.mouse.move(5, 5)
    expect(page.locator("#tooltip")).to_be_hidden()
    expect(page.locator("#panel-cpu .readout .number")).to_have_text(
        page.locator("#tile-cpu .number").text_content()
    )


def test_a_chart_is_a_table_too(open_page):
    page, stand_in = open_page(query="?range=5m", timezone_id="Europe/Helsinki")
    panel = page.get_by_role("figure", name="CPU use")
    expect(panel.locator("canvas")).to_have_attribute("aria-hidden", "true")
    button = panel.get_by_role("button", name="Show as table")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    table = page.get_by_role("region", name="CPU use as a table")
    expect(table.locator("thead th")).to_have_text(["Time", "this machine"])
    first = table.locator("tbody tr").first
    # 1795451430 is 16:30:30 in UTC, and Helsinki is two hours ahead in November.
    expect(first.locator("th")).to_have_text("18:30:30")
    expect(first.locator("td")).to_contain_text("%")
    wait_for_socket(page, stand_in)
    stand_in.push()
    expect(first.locator("th")).to_have_text("18:30:35")
    assert stand_in.scene.now == NOW + 5
    button.click()
    expect(table).to_be_hidden()
    expect(panel.locator("canvas")).to_be_visible()


def test_what_a_panel_means_is_one_button_away(open_page):
    page, _ = open_page()
    figure = page.get_by_role("figure", name="Requests per second", exact=True)
    figure.get_by_role("button", name="About").click()
    about = page.locator("#about-request_rate")
    expect(about).to_contain_text("in plain words")
    expect(about.locator("code")).to_have_text("rate(ollama_proxy_requests_total[1m])")
    page.keyboard.press("Escape")
    expect(about).to_be_hidden()


def test_loaded_models_say_how_much_is_on_the_gpu_and_when_they_leave(open_page):
    page, _ = open_page()
    rows = page.locator("#models .model")
    expect(rows).to_have_count(2)
    expect(rows.nth(0).locator("dd")).to_have_text(
        ["14.1 GB", "73 %", "8\u202f192", re.compile(r"^\d+\ss$")]
    )
    expect(rows.nth(1).locator("dd").nth(3)).to_have_text(re.compile(r"^4\smin \d\d\ss$"))
    expect(rows.nth(0).locator(".partly")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_stand_out_from_their_card(open_page, scheme):
    page, _ = open_page(bypass_csp=True, color_scheme=scheme)
    ratios = page.evaluate(CONTRASTS)
    assert len(ratios) == 13
    assert {name: ratio for name, ratio in ratios.items() if ratio < 3} == {}


def test_nothing_moves_for_those_who_asked(open_page):
    page, _ = open_page(reduced_motion="reduce")
    moving = page.locator("body *").evaluate_all(
        "all => all.filter(one => getComputedStyle(one).transitionDuration !== '0s').length"
    )
    assert moving == 0
