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
    for text in ("0.0.0.0", "http://0.0.0.0:11434"):
        (note,) = takeover.notes(taken(), text)
        assert "the proxy does not" in note.text


TEXT = """\
127.0.0.1:11434 is in use, wanted by proxy
       pid 9  ollama  (user me, since 1 s)
       Either  stop it: kill 9
       or      set [proxy] listen = "127.0.0.1:11435"      (free now)"""
OTHER = """\
127.0.0.1:3001 is in use, wanted by dashboard
       pid 7  x  (user me, since 1 s)
       Either  stop it: kill 7"""


@pytest.mark.parametrize(
    ("owner", "platform", "expected"),
    [
        (UNIT, "linux", "Either  sudo systemctl disable --now ollama, and this again"),
        (None, "linux", "Either  sudo systemctl disable --now ollama, and this again"),
        (Owner(9, "ollama", "me", "", 1.0), "linux", "Either  kill 9, and this again"),
        (Owner(9, "Ollama", "me", "", 1.0), "darwin", "Either  quit the Ollama app"),
        (None, "darwin", "Either  quit the Ollama app"),
    ],
)
def test_each_platform_has_its_way(owner, platform, expected):
    text = takeover.refused(TEXT, taken(), owner=lambda _: owner, platform=platform)
    first, second, third, *rest = text.splitlines()
    assert [first, second] == TEXT.splitlines()[:2]
    assert third.strip().startswith(expected)
    assert '[proxy] listen = "127.0.0.1:11434"' in "".join(rest)
    # The port beside it would not be where clients call.
    assert "free now" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_other_ports_keep_their_words():
    owner = Owner(9, "ollama", "me", "", 1.0)
    plain = takeover.refused(TEXT, taken(), owner=lambda _: owner, platform="linux")
    for text in (f"{TEXT}\n{OTHER}", f"{OTHER}\n{TEXT}"):
        said = takeover.refused(text, taken(), owner=lambda _: owner, platform="linux")
        assert said == text.replace(TEXT, plain)
    assert takeover.refused(OTHER, taken(), owner=lambda _: owner, platform="linux") == OTHER


def test_a_stranger_is_not_told_to_move():
    owner = Owner(9, "python", "me", "", 1.0)
    assert takeover.refused(TEXT, taken(), owner=lambda _: owner, platform="linux") == TEXT
