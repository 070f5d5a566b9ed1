import pytest

from ollamon.supervisor.messages import ChildState as S
from ollamon.supervisor.messages import StackState
from ollamon.supervisor.verdict import (
    Member,
    is_settled,
    stack_state,
    state_when_late,
    why_not_ready,
)


def members(*states: S) -> list[Member]:
    """The first is essential."""
    return [Member(f"c{i}", state, i == 0, "") for i, state in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ([], StackState.READY),
        ([S.READY, S.READY], StackState.READY),
        ([S.READY, S.STARTING], StackState.STARTING),
        ([S.PENDING, S.READY], StackState.STARTING),
        ([S.STARTING, S.DEGRADED], StackState.DEGRADED),
        ([S.READY, S.BACKOFF], StackState.DEGRADED),
        ([S.READY, S.FAILED], StackState.DEGRADED),
        ([S.FAILED, S.READY], StackState.FAILED),
        ([S.BACKOFF, S.READY], StackState.DEGRADED),
    ],
)
def test_the_stack_is_the_worst_of_its_children(states, verdict):
    assert stack_state(members(*states)) == verdict


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ([S.STARTING, S.READY], StackState.FAILED),
        ([S.READY, S.STARTING], StackState.DEGRADED),
        ([S.EXITED, S.STARTING], StackState.DEGRADED),
    ],
)
def test_a_late_essential_child_fails_the_start_and_one_that_did_its_work_is_not_late(
    states, verdict
):
    assert state_when_late(members(*states)) == verdict


def test_nothing_is_settled_while_something_is_on_its_way():
    assert is_settled(members(S.READY, S.FAILED))
    assert not is_settled(members(S.READY, S.BACKOFF))


def test_the_reason_names_everybody_who_is_not_ready():
    children = [
        Member("a", S.READY, False, "2 streams"),
        Member("b", S.FAILED, False, "exit 1"),
        Member("c", S.STARTING, False, ""),
    ]
    assert why_not_ready(children) == "b is failed (exit 1); c is starting"
