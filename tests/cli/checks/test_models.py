import json

import pytest

from ollamon.cli.checks import models
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.cli.servers import answering, saying

SPLIT = {"name": "big:70b", "size": 40_000_000_000, "size_vram": 22_500_000_000}
WHOLE = {"name": "small", "size": 5_000_000_000, "size_vram": 5_000_000_000}


def found(world, document):
    with answering(200, json.dumps(document).encode()) as url:
        return list(models.check(world({"ollama": {"url": url}})))


def test_a_model_that_is_partly_on_the_cpu_is_a_warning(world):
    finding = one(found(world, {"models": [WHOLE, SPLIT]}))
    assert (finding.id, finding.fix) == ("models-on-cpu", "ollama ps")
    assert finding.evidence.startswith("big:70b: 17.5 of 40.0 GB are on the CPU")


def test_whole_models_and_none_are_fine(world):
    assert one(found(world, {"models": [WHOLE]})).evidence == "1 loaded, none split with the CPU"
    cpu_only = {**WHOLE, "size_vram": 0}
    assert one(found(world, {"models": [cpu_only]})).severity is Severity.OK
    assert one(found(world, {"models": []})).severity is Severity.OK


@pytest.mark.parametrize(
    "wrong", [{"name": 1}, {"size": "5"}, {"size": True}, {"size_vram": None}, {"size_vram": -1}]
)
def test_what_is_not_said_is_not_judged(wrong):
    assert models.partly_on_cpu({**SPLIT, **wrong}) == ""


def test_a_long_list_is_named_in_part(world):
    many = [{**SPLIT, "name": f"m{number}\x1b[31m"} for number in range(9)]
    findings = found(world, {"models": many})
    assert [finding.evidence[:3] for finding in findings] == ["m0[", "m1[", "m2["]


def test_without_an_answer_nothing_is_said(world):
    for document in ([], {}, {"models": {}}):
        assert found(world, document) == []
    with saying(b"hello\r\n") as url:
        assert list(models.check(world({"ollama": {"url": url}}))) == []
    with answering(404, b"{}") as url:
        assert list(models.check(world({"ollama": {"url": url}}))) == []
        assert list(models.check(world({"ollama": {"url": url}}, is_offline=True))) == []
    assert list(models.check(world({"demo": {"enabled": True}}))) == []
    assert list(models.check(world({"ollama": {"mode": "off"}}))) == []
