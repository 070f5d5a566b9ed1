import pytest

from ollamon.config.model import Config
from ollamon.errors import ConfigError
from ollamon.helper import settings
from ollamon.helper.settings import Settings


def test_a_missing_section_has_its_defaults():
    assert settings.parse({}) == Settings(8002, 5.0)


def test_what_the_configuration_hands_over_is_understood():
    config = Config.model_validate(
        {"helper": {"mode": "on", "listen": "127.0.0.1:28002", "interval": "1m"}}
    )
    assert settings.parse(config.to_section("helper")) == Settings(28002, 60.0)


def test_the_defaults_here_are_those_of_the_configuration():
    assert settings.parse(Config().to_section("helper")) == settings.DEFAULTS


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1.0), ("1500ms", 1.5), ("2.5s", 2.5), ("60s", 60.0)]
)
def test_an_interval_is_text_with_a_unit(text, seconds):
    assert settings.parse({"helper": {"interval": text}}).interval_s == seconds


BAD = {
    "an address of the network": {"listen": "0.0.0.0:8002"},
    "another loopback address": {"listen": "127.0.0.2:8002"},
    "IPv6": {"listen": "[::1]:8002"},
    "a name": {"listen": "localhost:8002"},
    "a privileged port": {"listen": "127.0.0.1:1023"},
    "a port too high": {"listen": "127.0.0.1:65536"},
    "no port": {"listen": "127.0.0.1"},
    "an address with more behind": {"listen": "127.0.0.1:8002\n"},
    "digits that are not ours": {"listen": "127.0.0.1:\u0668\u0660\u0660\u0662"},
    "an address that is a number": {"listen": 8002},
    "an interval without unit": {"interval": 5},
    "an interval that is text without unit": {"interval": "5"},
    "an interval too short": {"interval": "999ms"},
    "an interval too long": {"interval": "61s"},
    "an interval in hours": {"interval": "1h"},
    "an unknown mode": {"mode": "root"},
    "a mode that is a list": {"mode": []},
    "a path": {"command": "/tmp/evil"},
}


@pytest.mark.parametrize("table", BAD.values(), ids=BAD)
def test_a_section_that_cannot_be_used_is_refused(table):
    with pytest.raises(ConfigError, match=rf"^helper\.{next(iter(table))}: ") as caught:
        settings.parse({"helper": table})
    assert len(caught.value.problems) == 1


def test_every_problem_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        settings.parse({"helper": {"listen": 1, "interval": 1, "mode": 1, "x": 1}, "proxy": {}})
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize("table", [None, [], "on", 1])
def test_a_section_that_is_no_table_is_refused(table):
    with pytest.raises(ConfigError, match="expected a table"):
        settings.parse({"helper": table})
