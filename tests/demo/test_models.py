import pytest

from ollamon.demo import models
from ollamon.demo.models import SHELF


def test_a_name_without_a_tag_means_latest():
    assert models.find("nomic-embed-text") is models.find("nomic-embed-text:latest")
    assert models.find("llama3.2") is None


def test_one_thinks_one_embeds_and_one_does_not_fit_the_gpu():
    assert [model.name for model in SHELF if model.thinks] == ["qwen3:8b"]
    assert [model.name for model in SHELF if model.embeds] == ["nomic-embed-text:latest"]
    assert [model.name for model in SHELF if model.vram < model.memory] == ["gemma3:12b"]


@pytest.mark.parametrize("model", SHELF, ids=lambda model: model.name)
def test_a_digest_is_hexadecimal_and_its_own(model):
    assert len(bytes.fromhex(model.digest)) == 32
    assert [other.name for other in SHELF if other.digest == model.digest] == [model.name]
