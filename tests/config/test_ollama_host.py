"""By ollama:envconfig/config_test.go's rules, and a client's view of unspecified addresses."""

import pytest

from ollamon.config.ollama_host import oddity_of, upstream_of

CASES = {
    "": "http://127.0.0.1:11434",
    "1.2.3.4": "http://1.2.3.4:11434",
    "1.2.3.4:1234": "http://1.2.3.4:1234",
    ":1234": "http://127.0.0.1:1234",
    "http://1.2.3.4": "http://1.2.3.4:80",
    "https://1.2.3.4": "https://1.2.3.4:443",
    "https://1.2.3.4:4321": "https://1.2.3.4:4321",
    "example.com": "http://example.com:11434",
    "example.com:1234": "http://example.com:1234",
    "example.com:99999": "http://example.com:11434",
    "example.com/a/b": "http://example.com:11434",
    "https://example.com/ollama": "https://example.com:443",
    "[::1]": "http://[::1]:11434",
    "[::1]:1337": "http://[::1]:1337",
    " 1.2.3.4 ": "http://1.2.3.4:11434",
    '"1.2.3.4"': "http://1.2.3.4:11434",
    "'1.2.3.4'": "http://1.2.3.4:11434",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:8080": "http://127.0.0.1:8080",
    "[::]:8080": "http://[::1]:8080",
}


@pytest.mark.parametrize("text", CASES)
def test_a_client_reaches(text):
    assert upstream_of(text) == CASES[text]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("example.com:99999", '"99999" is no port'),
        ("box:", '"" is no port'),
        ("http://box/ollama", "its path, /ollama, is left out"),
        *((text, "") for text in ("", "box", "box:1", "[::1]:1", "::1", "http://box/", "'box'")),
    ],
)
def test_what_is_probably_not_meant_is_said(text, said):
    assert oddity_of(text).startswith(said)
    assert bool(oddity_of(text)) == bool(said)
