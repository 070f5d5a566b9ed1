import tomllib

from ollamon.artifacts.toml import flat, fresh, keys_of, resolved, sections, written
from ollamon.config.model import Config


def uncommented(text: str) -> str:
    """Every default as if somebody had removed its comment sign."""
    lines = []
    for line in text.splitlines():
        is_key = line.startswith("# ") and " = " in line and line[2].islower()
        lines.append(line[2:] if is_key and line[2:].split(" = ")[0].isidentifier() else line)
    return "\n".join(lines)


def test_a_fresh_file_changes_nothing():
    assert Config.model_validate(tomllib.loads(fresh())) == Config()


def test_a_fresh_file_shows_every_default():
    document = tomllib.loads(uncommented(fresh()))
    assert Config.model_validate(document) == Config()
    paths = {key for key, value in document.items() if not isinstance(value, dict)}
    for table, values in document.items():
        if isinstance(values, dict):
            paths |= {f"{table}.{key}" for key in values}
    assert paths == set(flat(Config()))


def test_a_fresh_file_fits_a_terminal():
    assert max(map(len, fresh().splitlines())) <= 80


def test_what_is_shown_can_be_read_back():
    config = Config.model_validate(
        {"proxy": {"allowed_hosts": ["a", 'b"c'], "listen": "127.0.0.1:1"}, "log": {"keep": 9}}
    )
    assert Config.model_validate(tomllib.loads(resolved(config))) == config


def test_origins_stand_behind_their_values():
    text = resolved(Config(), {"log.keep": "a.toml:2:1"})
    assert "keep = 3                                     # a.toml:2:1" in text
    assert 'name = "default"                             # default' in text
    assert Config.model_validate(tomllib.loads(text)) == Config()


def test_text_is_written_as_toml_reads_it():
    for value in ('a "quote"', "back\\slash", "line\nend", "ümlaut", "\x7f", ["a", "b"], True, 3):
        assert tomllib.loads(f"x = {written(value)}")["x"] == value


def test_every_key_has_words():
    for table, model in sections():
        for key, field in keys_of(model):
            assert field.description, f"{table}.{key}"


def test_a_table_is_written_in_one_line():
    assert written({}) == "{}"
    again = tomllib.loads(f"a = {written({'A': 'x', 'b.c': 'y'})}")
    assert again == {"a": {"A": "x", "b.c": "y"}}
