import pytest

from ollamon.config.model import Config
from ollamon.config.section import config_of
from ollamon.errors import HandoverError


def test_a_part_is_filled_up_with_defaults():
    assert config_of({"dashboard": {"interval": "2s"}}).dashboard.interval == 2
    assert config_of({}) == Config()


def test_what_was_handed_over_is_what_arrives():
    config = Config.model_validate({"proxy": {"listen": "127.0.0.1:1"}, "demo": {"enabled": True}})
    assert config_of(config.to_section("proxy", "demo")) == config


def test_a_key_that_cannot_be_used_is_named():
    with pytest.raises(HandoverError, match=r"^cannot use the handover: dashboard\.lisen: "):
        config_of({"dashboard": {"lisen": ""}})
