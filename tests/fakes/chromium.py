"""A real Chromium for browser tests: $OLLAMON_CHROMIUM, else the one on PATH."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def running() -> Iterator[Browser]:
    """Run it. Until it ends, this thread counts as inside an event loop: no test may be async."""
    path = os.environ.get("OLLAMON_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail("chromium is not installed; install it or set OLLAMON_CHROMIUM", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
