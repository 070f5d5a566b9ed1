import re

import pytest

from ollamon import errors
from ollamon.errors import ConfigError, OllamonError, Problem


def classes():
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return {kind.__name__: kind for kind in found if issubclass(kind, OllamonError)}


def test_the_tree_in_the_docstring_is_the_tree():
    told = dict(re.findall(r"^ *(\w+Error)\b(.*)$", errors.__doc__, re.MULTILINE))
    assert set(told) == set(classes())
    for name, text in told.items():
        kind = classes()[name]
        if code := re.search(r"exit (\d+)", text):
            assert kind.exit_code == int(code[1])
        if status := re.search(r"HTTP (\d+)", text):
            assert kind.http_status == int(status[1])


@pytest.mark.parametrize("kind", classes().values(), ids=classes())
def test_each_error_has_a_word_for_programs(kind):
    assert re.fullmatch(r"[a-z_]+", kind.kind)


def test_a_configuration_error_says_every_problem_with_its_place():
    error = ConfigError(
        (
            Problem("proxy.lisen: unknown key", "ollamon.toml:3:1", "    3 | lisen = 1"),
            Problem("log.keep: expected a whole number"),
        )
    )
    assert str(error) == (
        "ollamon.toml:3:1: proxy.lisen: unknown key\n    3 | lisen = 1\n"
        "log.keep: expected a whole number"
    )
