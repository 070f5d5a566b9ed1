import json
import re

import pytest

from ollamon.config.checks import problems_of
from ollamon.config.layers import Layers
from ollamon.config.model import LISTENING, Config, PrometheusMode


def test_a_section_survives_its_handover():
    config = Config.model_validate(
        {"proxy": {"listen": "127.0.0.1:5000"}, "prometheus": {"scrape_interval": "1500ms"}}
    )
    line = json.dumps(config.to_section("proxy", "prometheus"))
    again = Config.model_validate(json.loads(line))
    assert (again.proxy, again.prometheus) == (config.proxy, config.prometheus)


def test_the_whole_configuration_survives_it_too():
    assert Config.model_validate(json.loads(json.dumps(Config().to_section()))) == Config()


def test_every_listening_address_is_listed():
    found = set()
    for table, values in Config().to_section().items():
        if isinstance(values, dict):
            found |= {f"{table}.{key}" for key in values if key.endswith("listen")}
    assert found == set(LISTENING)


@pytest.mark.parametrize(
    ("mode", "url"),
    [("managed", "http://127.0.0.1:9090"), ("external", "http://box:80"), ("embedded", "")],
)
def test_the_dashboard_asks_the_engine_that_is_meant(mode, url):
    config = Config.model_validate({"prometheus": {"mode": mode, "url": "http://box"}})
    assert config.prometheus.mode is PrometheusMode(mode)
    assert config.prometheus.engine_url == url


def test_the_simulated_ollama_takes_the_place_of_the_real_one():
    assert Config().upstream_url == "http://127.0.0.1:11434"
    config = Config.model_validate({"demo": {"enabled": True}})
    assert config.upstream_url == config.demo.listen.url


def test_the_schema_does_not_contradict_its_own_defaults():
    document = Config.model_json_schema(by_alias=True)
    wrong = [
        (name, key)
        for name, section in document["$defs"].items()
        for key, field in section.get("properties", {}).items()
        if "pattern" in field and not re.search(field["pattern"], field["default"])
    ]
    assert wrong == []
    for values in document["properties"].values():
        assert "default" in values


def test_defaults_have_no_problem():
    assert problems_of(Layers()) == []
