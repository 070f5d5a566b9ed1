from collections.abc import Iterator

import pytest

from tests.fakes.sudo_user import SudoUser, open_python, sudo_user


@pytest.fixture
def user() -> Iterator[SudoUser]:
    with sudo_user() as made:
        yield made


@pytest.fixture
def python(user: SudoUser) -> Iterator[str]:
    with open_python(user) as program:
        yield program
