from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.dashboard.browser.scenes import Scene
from tests.dashboard.browser.stand_in import StandIn
from tests.fakes import chromium

AXE = Path(__file__).parents[3] / "scripts" / "web" / "node_modules" / "axe-core" / "axe.min.js"
WAIT_MS = 20_000


@pytest.fixture(scope="session")
def axe_script() -> str:
    """axe-core, which npm brings."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed; run: npm ci --prefix scripts/web", pytrace=False)
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for each file: async tests of other files must not run while it is there."""
    with chromium.running() as browser:
        yield browser


@pytest.fixture
def new_stand_in() -> Iterator[Callable[..., StandIn]]:
    """Make servers that end with the test."""
    made: list[StandIn] = []

    def make(scene: Scene, **how: Any) -> StandIn:
        made.append(StandIn(scene, **how))
        return made[-1]

    yield make
    for stand_in in made:
        stand_in.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Make pages that remember what they asked for and what they complained about.

    They live under the page's own policy, unless `bypass_csp` is given.
    """
    contexts = []

    def make(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.complaints = []
        page.asked_for = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.asked_for.append(request.url))
        page.on("websocket", lambda socket: page.asked_for.append(socket.url))
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def open_page(new_stand_in: Any, new_page: Any) -> Callable[..., tuple[Page, StandIn]]:
    """Open a scene and wait until its values are there."""

    def open_scene(
        scene: Scene | None = None, query: str = "", **options: Any
    ) -> tuple[Page, StandIn]:
        stand_in = new_stand_in(scene or Scene())
        page = new_page(**options)
        page.goto(stand_in.url + query)
        page.locator("#tiles .tile").first.wait_for()
        page.locator('#status[data-kind="connecting"]').wait_for(state="detached")
        return page, stand_in

    return open_scene
