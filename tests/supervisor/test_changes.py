from dataclasses import replace
from pathlib import Path

import pytest

from ollamon.errors import ControlError
from ollamon.supervisor.changes import Action, Change, compare, describe, fresh_part
from ollamon.supervisor.spec import Listen, LogSpec, Restart, ServiceSpec, StackSpec

A = ServiceSpec("a", ("/a",), {"a": {"x": 1, "y": {"z": 2}}}, (Listen("listen", "::1", 1, "k"),))
B = ServiceSpec("b", ("/b",), None, files={Path("/f"): "old"}, reload_signal=1)
STACK = StackSpec("s", (A, B), Path("/run"), Path("/state"), LogSpec(Path("/logs"), 10, 1))


def into(*services: ServiceSpec) -> dict[str, Change]:
    return {change.name: change for change in compare(STACK, replace(STACK, services=services))}


def test_what_does_not_differ_is_kept():
    assert into(A, B) == {"a": Change("a", Action.KEEP), "b": Change("b", Action.KEEP)}
    assert describe(compare(STACK, STACK)) == "nothing differs"


def test_another_section_is_a_restart_and_its_keys_are_named():
    section = {"a": {"x": 1, "y": {"z": 3}, "new": None}}
    change = into(replace(A, section=section), B)["a"]
    # An absent key and one that is null mean the same to a child.
    assert change == Change("a", Action.RESTART, ("section.a.y.z",))


@pytest.mark.parametrize(
    "fields",
    [
        {"after": ("b",)},
        {"requires": ("b",)},
        {"stop_timeout_s": 1.0},
        {"restart": Restart(give_up=9)},
        {"is_essential": True},
    ],
    ids=str,
)
def test_what_the_process_does_not_see_is_adjusted(fields):
    assert into(replace(A, **fields), B)["a"] == Change("a", Action.ADJUST, tuple(fields))


def test_other_files_are_a_signal_for_one_that_reads_them_anew():
    other = {"files": {Path("/f"): "new"}}
    assert into(A, replace(B, **other))["b"] == Change("b", Action.SIGNAL, ("files",))
    assert into(A, replace(B, **other, argv=("/c",)))["b"].action is Action.RESTART
    old = replace(STACK, services=(replace(B, reload_signal=None),))
    new = replace(STACK, services=(replace(B, **other, reload_signal=None),))
    assert compare(old, new)[0].action is Action.RESTART


def test_new_ones_start_and_missing_ones_stop():
    new = ServiceSpec("c", ("/c",), {})
    plan = compare(STACK, replace(STACK, services=(new, A)))
    assert [(change.name, change.action) for change in plan] == [
        ("c", Action.START),
        ("a", Action.KEEP),
        ("b", Action.STOP),
    ]
    assert describe(plan) == "c: start; b: stop"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "t"}, "name"),
        ({"runtime": Path("/r"), "state": Path("/t")}, "runtime, state"),
        ({"log": LogSpec(Path("/l"), 10, 1)}, "log folder"),
    ],
    ids=str,
)
def test_what_cannot_move_while_it_runs_is_refused(fields, said):
    with pytest.raises(ControlError, match=f"cannot change {said} while it runs"):
        compare(STACK, replace(STACK, **fields))


def test_an_address_does_not_go_from_one_child_to_another():
    with pytest.raises(ControlError, match="cannot give ::1:1 to b while a has it"):
        into(replace(B, listens=A.listens))


def test_only_new_addresses_of_those_that_start_are_checked():
    other = Listen("other", "::1", 2, "k")
    new = replace(STACK, services=(replace(A, listens=(*A.listens, other)), B))
    part = fresh_part(STACK, new, compare(STACK, new))
    assert [(service.name, service.listens) for service in part.services] == [("a", (other,))]
