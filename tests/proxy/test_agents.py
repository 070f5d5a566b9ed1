import pytest

from ollamon.proxy.agents import ClientKind, client_kind


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        (b"ollama/0.33.0 (amd64 linux) Go/go1.26.0", "ollama"),
        (b"ollama-python/0.6.2 (x86_64 linux) Python/3.11.2", "ollama-python"),
        (b"ollama-js/0.6.3 (x64 linux Node.js/v20.1.0)", "ollama-js"),
        (b"OpenAI/Python 2.8.1", "openai-python"),
        (b"AsyncOpenAI/Python 2.8.1", "openai-python"),
        (b"OpenAI/JS 6.9.0", "openai-js"),
        (b"Anthropic/Python 0.75.0", "anthropic-python"),
        (b"AsyncAnthropic/Python 0.75.0", "anthropic-python"),
        (b"Anthropic/JS 0.70.0", "anthropic-js"),
        (b"Mozilla/5.0 (X11; Linux x86_64)", "browser"),
        (b"curl/8.5.0", "curl"),
        (b"python-requests/2.32.4", "python"),
        (b"Python/3.11 aiohttp/3.13.3", "python"),
        (b"node", "node"),
        (b"undici", "node"),
        (b"axios/1.7.2", "node"),
        (b"Go-http-client/1.1", "go"),
        (b"ollamon-demo/0.1.0", "demo"),
        (b"my secret agent", "other"),
        (b"\xff\xfe" * 9000, "other"),
        (b"", "other"),
    ],
)
def test_the_first_word_tells_the_kind(agent, kind):
    assert client_kind([agent]) == kind


def test_no_agent_is_unknown_and_the_first_of_two_counts():
    assert client_kind([]) is ClientKind.UNKNOWN
    assert client_kind([b"curl/8", b"Mozilla/5.0"]) is ClientKind.CURL
