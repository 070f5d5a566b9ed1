from pathlib import Path

import pytest

from ollamon.supervisor import subset
from ollamon.supervisor.spec import LogSpec, OutsideSpec, ServiceSpec, StackSpec

SERVICES = (
    ServiceSpec("store", ("/s",), {}),
    ServiceSpec("worker", ("/w",), {}, requires=("store",)),
    ServiceSpec("page", ("/p",), {}, after=("worker", "store")),
)
STACK = StackSpec(
    "s", SERVICES, Path("/run"), Path("/state"), LogSpec(Path("/logs"), 1, 1), config_digest="d"
)


def names(stack: StackSpec) -> list[str]:
    return [service.name for service in stack.services]


def test_without_a_wish_it_is_the_stack_itself():
    assert subset.of(STACK) is STACK


@pytest.mark.parametrize(
    ("only", "besides", "left"),
    [
        (("page",), (), ["page"]),
        (("worker",), (), ["store", "worker"]),
        ((), ("page",), ["store", "worker"]),
        (("worker", "page"), ("page",), ["store", "worker"]),
    ],
)
def test_who_is_chosen_comes_with_what_it_requires(only, besides, left):
    made = subset.of(STACK, only=only, besides=besides)
    assert names(made) == left
    assert made.config_digest != STACK.config_digest


def test_nobody_waits_for_one_that_is_left_out():
    (page,) = subset.of(STACK, only=("page",)).services
    assert page.after == ()


def test_who_is_left_out_is_shown_as_such():
    outside = subset.of(STACK, besides=("page",)).outside
    assert outside == (OutsideSpec("page", reason="left out of this run"),)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"only": ("pag",)}, "there is no pag: there is store, worker, page"),
        ({"besides": ("x",)}, "there is no x: there is"),
        ({"besides": ("store",)}, "worker requires store"),
        ({"besides": ("store", "worker", "page")}, "no child would be left"),
    ],
)
def test_what_cannot_be_is_refused(wish, said):
    with pytest.raises(ValueError, match=said):
        subset.of(STACK, **wish)


def test_all_end_with_one_that_failed_when_wished():
    made = subset.ending_on_failure(STACK)
    assert all(service.restart.ends_stack for service in made.services)
