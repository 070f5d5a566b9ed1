"""The page of a running stack in a real Chromium."""

import http.client

import pytest
from playwright.sync_api import expect

from tests.fakes import chromium
from tests.fakes.endless import Endless
from tests.system.conftest import chat

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SCRAPES_S = 3
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


def test_a_request_that_runs_is_cancelled_on_the_page(new_stack, browser_page):
    upstream = Endless()
    stack = new_stack(upstream.url)
    stack.up()
    browser_page.goto(stack.url("dashboard", "/"))
    client = http.client.HTTPConnection(stack.listen("proxy"), timeout=20)
    client.request("POST", "/api/chat", b'{"model":"tiny","messages":[]}')
    answer = client.getresponse()
    answer.readline()
    cancel = browser_page.locator("#flight .run").get_by_role("button")
    cancel.click(timeout=20_000)
    assert not upstream.has_seen_close.is_set()
    cancel.click()
    assert upstream.has_seen_close.wait(10)
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    client.close()
    expect(browser_page.locator("#recent")).to_contain_text("cancelled", timeout=20_000)
    expect(cancel).to_have_count(0)
    assert browser_page.complaints == []
    upstream.close()


def assert_that_they_agree(theirs: dict, ours: dict) -> None:
    """Of each series both have the same values, within the time of a scrape or two."""
    compared = 0
    for id_ in ("ttft", "tpot", "average_latency", "request_rate", "token_rate"):
        for name, column in ours["panels"][id_]["series"].items():
            other = theirs["panels"][id_]["series"].get(name)
            for t, value in list(zip(ours["t"], column, strict=True))[-20:]:
                if other is None or value is None or t > theirs["t"][-1] - SCRAPES_S:
                    continue
                near = [
                    known
                    for at, known in zip(theirs["t"], other, strict=True)
                    if known is not None and abs(at - t) <= SCRAPES_S
                ]
                if len(near) > 3:
                    compared += 1
                    # Two scrapes hold a fifth of what was counted; that both evaluate alike is
                    # proven to the last digit elsewhere.
                    slack = 0.3 * max(map(abs, near))
                    assert min(near) - slack <= value <= max(near) + slack, (id_, name, t)
    assert compared > 20


def test_the_page_lives_on_without_prometheus_and_over_restarts(
    new_stack, llama_server, browser_page
):
    stack = new_stack(llama_server)
    stack.up()
    browser_page.goto(stack.url("dashboard", "/"))
    source = browser_page.locator("#source")
    expect(source).to_contain_text("Prometheus", timeout=20_000)
    # Both see the counters begin with the first one; what comes after is growth.
    chat(stack.url("proxy"))
    browser_page.wait_for_timeout(SCRAPES_S * 1000)
    for _ in range(20):
        chat(stack.url("proxy"))
        browser_page.wait_for_timeout(500)
    expect(browser_page.locator("#recent")).to_contain_text("tiny", timeout=20_000)
    theirs = stack.history("5m")
    stack.run("stop", "prometheus")
    expect(source).to_contain_text("own history", timeout=20_000)
    assert_that_they_agree(theirs, stack.history("5m"))
    stack.run("start", "prometheus")
    expect(source).to_contain_text("Prometheus", timeout=20_000)
    stack.run("restart", "dashboard")
    expect(browser_page.get_by_role("status").first).to_contain_text("Live", timeout=30_000)
    # What was before is still there: it was kept on disk.
    expect(browser_page.locator("#recent")).to_contain_text("tiny", timeout=20_000)
