from collections.abc import Iterator

import pytest

from tests.fakes.sudo_user import SudoUser, sudo_user


@pytest.fixture
def user() -> Iterator[SudoUser]:
    with sudo_user() as made:
        yield made
