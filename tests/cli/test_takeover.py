"""What takes the place of Ollama, and how to make room there."""

import pytest

from ollamon.cli import takeover
from ollamon.config.model import Config
from ollamon.errors import ConfigError
from ollamon.supervisor.owners import Owner

UNIT = Owner(7, "ollama", "ollama", "ollama.service", 1.0)


def taken(**ollama: object) -> Config:
    config = Config.model_validate({"ollama": ollama})
    document = config.to_section()
    for path, value in takeover.options(config).items():
        table, _, key = path.partition(".")
        document[table][key] = value
    return Config.model_validate(document)


def test_the_proxy_gets_the_address_of_ollama_and_ollama_another():
    assert takeover.options(Config()) == {
        "proxy.listen": "127.0.0.1:11434",
        "ollama.url": "http://127.0.0.1:11436",
        "ollama.mode": "managed",
    }
    moved = Config.model_validate(
        {"ollama": {"url": "http://localhost:5000", "takeover_url": "http://127.0.0.1:5001"}}
    )
    assert takeover.options(moved)["proxy.listen"] == "127.0.0.1:5000"
    assert takeover.options(moved)["ollama.url"] == "http://127.0.0.1:5001"


@pytest.mark.parametrize("url", ["http://192.0.2.1:11434", "https://127.0.0.1:11434"])
def test_an_ollama_elsewhere_cannot_be_replaced(url):
    with pytest.raises(ConfigError, match="is no http address of this machine"):
        takeover.options(Config.model_validate({"ollama": {"url": url}}))


def test_clients_that_were_told_of_the_usual_place_are_named():
    (note,) = takeover.notes(taken(), "127.0.0.1:11435")
    assert note.remedy == "unset OLLAMA_HOST"
    assert "clients call http://127.0.0.1:11434" in note.text
    assert takeover.notes(taken(), "127.0.0.1:11434") == []
    assert takeover.notes(taken(), " ") == []


@pytest.mark.parametrize(
    ("owner", "platform", "expected"),
    [
        (UNIT, "linux", "sudo systemctl disable --now ollama,"),
        (None, "linux", "sudo systemctl disable --now ollama,"),
        (Owner(9, "ollama", "me", "", 1.0), "linux", "kill 9,"),
        (Owner(9, "Ollama", "me", "", 1.0), "darwin", "quit the Ollama app"),
        (None, "darwin", "quit the Ollama app"),
    ],
)
def test_each_platform_has_its_way(owner, platform, expected):
    text = takeover.refusal(taken(), owner=lambda _: owner, platform=platform)
    assert expected in text
    assert '[proxy] listen = "127.0.0.1:11434"' in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_stranger_is_not_told_to_move():
    owner = Owner(9, "python", "me", "", 1.0)
    assert takeover.refusal(taken(), owner=lambda _: owner, platform="linux") == ""
