import resource

import pytest

from ollamon.cli.checks import limits
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one


@pytest.mark.parametrize(
    ("hard", "found"),
    [(512, "limits-files"), (4096, "limits"), (resource.RLIM_INFINITY, "limits")],
)
def test_the_hard_limit_decides(world, monkeypatch, hard, found):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, hard))
    assert one(limits.check(world())).id == found


def test_this_machine_has_enough(world):
    assert one(limits.check(world())).severity is Severity.OK
