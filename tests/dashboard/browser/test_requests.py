"""Requests that run and that ended: shown live, found, exported, cancelled."""

import re

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser.scenes import Scene, ended, running
from tests.dashboard.browser.stand_in import TOKEN
from tests.dashboard.browser.test_live import DASH, WAIT_MS, wait_for_socket

expect.set_options(timeout=WAIT_MS)
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def opened(open_page):
    page, stand_in = open_page()
    wait_for_socket(page, stand_in)
    page.locator("#recent tbody tr").first.wait_for()
    return page, stand_in


def test_requests_in_flight_are_live(opened):
    page, stand_in = opened
    runs = page.locator("#flight .run")
    expect(runs).to_have_count(2)
    expect(runs.nth(0).locator(".phase")).to_have_text("generating")
    expect(runs.nth(0).locator("dd")).to_have_text(["ollama", "87", "46.2 tok/s", "12 s"])
    expect(runs.nth(1).locator("dd")).to_have_text(["ollama", DASH, DASH, "12 s"])
    stand_in.scene.in_flight = [running(901, "generating", chunks=1300, age_s=75)]
    stand_in.tell()
    expect(runs).to_have_count(1)
    expect(runs.locator("dd").nth(1)).to_have_text("1 300")
    expect(runs.locator("dd").nth(3)).to_have_text("1 min 16 s")
    expect(page.locator("#flight-count")).to_have_text("1")
    stand_in.scene.in_flight = []
    stand_in.tell()
    expect(page.locator("#flight")).to_have_text("None at the moment.")
    assert page.complaints == []


def test_a_request_is_cancelled_with_the_second_press_and_the_token(opened):
    page, stand_in = opened
    cancel = page.locator("#flight .run").nth(1).get_by_role("button")
    cancel.click()
    expect(cancel).to_have_text("Really?")
    assert stand_in.cancelled == []
    cancel.click()
    expect(cancel).to_be_disabled()
    assert stand_in.cancelled == [("901", TOKEN)]
    assert page.complaints == []


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ((404, "no request of this id is in flight"), "It is over already."),
        ((403, "reload the page"), "Not cancelled: reload the page"),
    ],
)
def test_what_cannot_be_cancelled_is_said(opened, refusal, said):
    page, stand_in = opened
    stand_in.refusal = refusal
    run = page.locator("#flight .run").first
    run.get_by_role("button").dblclick()
    expect(run.get_by_role("alert")).to_have_text(said)
    expect(run.get_by_role("button")).to_have_text("Cancel")


def test_a_request_that_ended_stands_on_top_at_once(opened):
    page, stand_in = opened
    rows = page.locator("#recent tbody tr")
    expect(rows).to_have_count(100)
    asked = len(stand_in.requests)
    new = ended(300, stand_in.scene.now, model="new", joules=None)
    stand_in.tell(new)
    expect(rows.first.locator("td").first).to_have_text("new")
    expect(rows.first.locator("td")).to_have_text(
        [
            *("new", "/api/chat", "openai-python", "ok", "340 ms", "47.6 tok/s", "1 234", "210"),
            *("3.40 s", "stop", DASH),
        ]
    )
    expect(rows).to_have_count(100)
    stand_in.tell({**new, "joules": 42.0})
    expect(rows.first.locator("td").last).to_have_text("42 J")
    assert [path for path in stand_in.requests[asked:] if "api" in path] == []


def test_requests_are_found_filtered_and_exported(opened):
    page, stand_in = opened
    rows = page.locator("#recent tbody tr")
    page.keyboard.press("/")
    expect(page.locator("#find-text")).to_be_focused()
    page.locator("#find-outcome").select_option("client_abort")
    outcomes = rows.locator("[data-tone=warn]")
    expect(outcomes).to_have_count(19)
    expect(rows).to_have_count(19)
    page.locator("#model").select_option("qwen3:8b")
    expect(rows).to_have_count(5)
    query = "?model=qwen3%3A8b&outcome=client_abort"
    expect(page.locator("#export-csv")).to_have_attribute(
        "href", f"/api/requests{query}&format=csv&limit=500"
    )
    expect(page.locator("#export-json")).to_have_attribute("href", re.compile("format=json"))
    stand_in.tell(ended(300, stand_in.scene.now, model="new"))
    page.locator("#find-text").fill("nothing like it")
    expect(page.locator("#recent-empty")).to_have_text("No request that is kept fits.")
    with page.expect_download() as download:
        page.locator("#export-json").click()
    assert download.value.suggested_filename == "ollamon-requests.json"


def test_older_requests_are_one_press_away(opened):
    page, _ = opened
    rows = page.locator("#recent tbody tr")
    older = page.get_by_role("button", name="Older ones")
    older.click()
    expect(rows).to_have_count(200)
    older.click()
    expect(rows).to_have_count(250)
    expect(older).to_be_hidden()


def test_a_page_without_requests_says_so(open_page):
    page, _ = open_page(Scene("waiting", is_empty=True))
    expect(page.locator("#recent-empty")).to_contain_text("None yet.")
    expect(page.locator("#recent")).to_be_hidden()
    expect(page.locator("#flight")).to_have_text("None at the moment.")


def test_names_of_requests_are_text(open_page):
    scene = Scene()
    scene.requests = [ended(1, scene.now, model=EVIL, outcome=EVIL, finish=EVIL)]
    scene.in_flight = [running(1, EVIL, model=EVIL, client=EVIL)]
    page, _ = open_page(scene)
    expect(page.locator("#recent tbody tr td").first).to_have_text(EVIL)
    expect(page.locator("#flight h3")).to_have_text(EVIL)
    assert page.locator("img").count() == 0
    assert page.complaints == []


def test_a_paused_page_hears_nothing_and_catches_up(opened):
    page, stand_in = opened
    page.keyboard.press("p")
    new = ended(300, stand_in.scene.now, model="new")
    stand_in.scene.requests.append(new)
    stand_in.scene.in_flight = []
    stand_in.tell(new)
    page.wait_for_timeout(200)
    expect(page.locator("#flight .run")).to_have_count(2)
    page.keyboard.press("p")
    expect(page.locator("#recent tbody tr td").first).to_have_text("new")
    expect(page.locator("#flight .run")).to_have_count(0)
