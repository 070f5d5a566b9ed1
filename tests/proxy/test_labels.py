import pytest

from ollamon.proxy import labels
from ollamon.proxy.labels import ANSWERED, ModelNames


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("tiny", "tiny"),
        ("tiny:latest", "tiny"),
        ("tiny:7b-q4_K_M", "tiny:7b-q4_K_M"),
        ("hf.co/someone/Model-GGUF:Q4", "hf.co/someone/Model-GGUF:Q4"),
        ("sha256@abc+x", "sha256@abc+x"),
        ("x" * 128, "x" * 128),
        ("x" * 129, ""),
        ("/srv/models/tiny.gguf", "tiny.gguf"),
        ("", ""),
        (":latest", ""),
        ("a b", ""),
        ("a\nb", ""),
        ("a\n", ""),
        ("\ud800", ""),
        ("é", ""),
        ('a"b', ""),
        ("a\x00b", ""),
    ],
    ids=repr,
)
def test_a_model_name_becomes_a_label_or_none(name, label):
    assert labels.plain_model(name) == label


def test_only_known_models_have_labels():
    names = ModelNames(2)
    assert names.learn(["a:latest", "b\n", "b", "c"]) == ["a", "b"]
    assert names.learn(["a", "c"]) == []
    assert [names.label(name) for name in ("a", "a:latest", "b", "c", "")] == [
        *("a", "a", "b", "other", "unknown"),
    ]


def test_a_few_more_are_admitted_when_they_were_answered():
    names = ModelNames(1)
    names.learn(["a"])
    assert not names.admit("a")
    assert not names.admit("bad name")
    admitted = [names.admit(f"m{number}") for number in range(ANSWERED + 3)]
    assert admitted == [True] * ANSWERED + [False] * 3
    assert names.label("m0:latest") == "m0"
    assert names.label(f"m{ANSWERED}") == "other"


def test_an_answered_model_that_is_listed_later_needs_no_second_place():
    names = ModelNames(2)
    names.admit("a")
    assert names.learn(["a", "b", "c"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("method", "label"), [("GET", "GET"), ("get", "other"), ("BREW", "other"), ("", "other")]
)
def test_methods_are_bounded(method, label):
    assert labels.method_label(method) == label


@pytest.mark.parametrize(
    ("status", "label"),
    [(200, "200"), (None, "499"), (499, "499"), (529, "529"), (799, "other"), (0, "other")],
)
def test_statuses_are_bounded(status, label):
    assert labels.status_label(status) == label


def test_a_name_keeps_only_harmless_letters():
    text = 'Apple M3 (Max)\ud800\x00\n"{}' + "é" * 3
    assert labels.name_label(text) == "Apple M3 (Max)"
    assert labels.name_label("x" * 100) == "x" * 64
