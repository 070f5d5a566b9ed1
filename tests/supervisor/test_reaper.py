"""ollamon.supervisor.reaper: when a group is empty."""

import errno
import os
import sys

import pytest

from ollamon.supervisor import reaper


@pytest.mark.parametrize(
    ("number", "is_empty"), [(errno.ESRCH, True), (errno.EPERM, sys.platform != "linux")]
)
def test_a_group_of_another_users_processes_is_not_empty(monkeypatch, number, is_empty):
    def refuse(pgid: int, sent: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "killpg", refuse)
    assert reaper.is_group_empty(4711) is is_empty


def test_our_own_group_is_not_empty():
    assert not reaper.is_group_empty(os.getpgrp())
