import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamon.config.positions import scan

TEXT = """\
# [not] = a table
name = "a # b"   # comment
[proxy]
  listen = "127.0.0.1:1"
"quoted key" = [1, # a ] here
  { a = "]" },
]
multi = \"\"\"
[fake]
x = 1
\"\"\"
dotted . key = '''
y = 2'''
[ log . inner ]
keep = { a = 1, b = "}" }
last = true"""


@pytest.mark.parametrize(
    ("path", "line", "column", "value_column"),
    [
        ("name", 2, 1, 8),
        ("proxy", 3, 2, 2),
        ("proxy.listen", 4, 3, 12),
        ("proxy.quoted key", 5, 1, 16),
        ("proxy.multi", 8, 1, 9),
        ("proxy.dotted.key", 12, 1, 16),
        ("log.inner.keep", 15, 1, 8),
        ("log.inner.last", 16, 1, 8),
    ],
)
def test_each_key_has_its_place(path, line, column, value_column):
    assert tomllib.loads(TEXT)
    found = scan(TEXT)[path]
    assert (found.line, found.column, found.value_column) == (line, column, value_column)


def test_what_only_looks_like_a_key_has_none():
    assert not {"fake", "x", "y", "not"} & {path.split(".")[-1] for path in scan(TEXT)}


VALUES = st.one_of(
    st.integers(),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20),
)


def as_toml(value: object) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, max_size=6))
def test_every_key_of_a_valid_file_is_found_on_its_line(values):
    text = "".join(f"{key} = {as_toml(value)}\n" for key, value in values.items())
    assert tomllib.loads(text) == values
    assert {path: place.line for path, place in scan(text).items()} == {
        key: number for number, key in enumerate(values, 1)
    }
