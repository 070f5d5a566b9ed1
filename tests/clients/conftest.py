from collections.abc import Callable, Iterator

import openai
import pytest

from tests.clients import proxied
from tests.clients.proxied import Proxied


@pytest.fixture
def proxy_for(start_child) -> Callable[..., Proxied]:
    """Start the real proxy in front of an upstream."""

    def start(upstream: str, **options: object) -> Proxied:
        child = start_child(
            "proxy",
            lambda unborn: proxied.section(unborn, upstream, **options),
            "listen",
            "metrics_listen",
        )
        return Proxied(child)

    return start


@pytest.fixture
def openai_client() -> Iterator[Callable[[str], openai.OpenAI]]:
    """Make real OpenAI clients of a base URL."""
    made = []

    def make(base_url: str) -> openai.OpenAI:
        made.append(openai.OpenAI(base_url=f"{base_url}/v1", api_key="none", max_retries=0))
        return made[-1]

    yield make
    for client in made:
        client.close()
