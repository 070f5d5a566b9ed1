"""The page of a running stack in a real Chromium."""

import pytest
from playwright.sync_api import expect

from tests.fakes import chromium
from tests.system.conftest import chat

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

DASH = "\N{EN DASH}"


@pytest.fixture
def browser_page():
    """A page, and what it asked for and complained about."""
    with chromium.running() as browser:
        page = browser.new_page()
        page.seen = []
        page.on("request", lambda request: page.seen.append(request.url))
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page


def test_the_page_lives(new_stack, llama_server, browser_page):
    stack = new_stack(llama_server)
    stack.up()
    browser_page.goto(stack.url("dashboard", "/"))
    tile = browser_page.locator("#tile-token_rate")
    expect(tile).to_contain_text(DASH, timeout=20_000)
    for _ in range(12):
        chat(stack.url("proxy"))
        browser_page.wait_for_timeout(250)
    expect(tile).to_contain_text("tok/s", timeout=30_000)
    expect(tile).not_to_contain_text(DASH, timeout=30_000)
    assert browser_page.complaints == []
    ours = (stack.url("dashboard"), "data:", "ws://" + stack.listen("dashboard"))
    assert [url for url in browser_page.seen if not url.startswith(ours)] == []


def test_the_demo_says_that_it_is_one(new_stack, browser_page):
    stack = new_stack("http://127.0.0.1:9")
    stack.up("--demo")
    browser_page.goto(stack.url("dashboard", "/"))
    expect(browser_page.get_by_text("DEMO", exact=True)).to_be_visible()
    tile = browser_page.locator("#tile-token_rate")
    expect(tile).not_to_contain_text(DASH, timeout=90_000)
    assert browser_page.complaints == []
