"""`ollamon reload` of a real stack."""

import json

import click
import pytest

from ollamon.cli import reload
from ollamon.cli.session import Session
from tests.cli.conftest import change


@pytest.mark.fault(40)
def test_a_changed_file_restarts_whom_it_concerns_and_a_wrong_one_nobody(stack):
    stack.run("reload", code=3)
    stack.up()
    before = stack.children()

    change(stack, "[dashboard]", '[dashboard]\nallowed_hosts = "box"')
    stack.run("reload", code=78)
    assert 'dashboard.allowed_hosts: expected a list such as ["box.lan"]' in stack.last_error
    assert "1 error. What runs is as it was." in stack.last_error
    told = json.loads(stack.run("reload", "--json", code=78))
    assert told["error"]["kind"] == "config"
    (problem,) = told["error"]["problems"]
    assert problem["where"].startswith("~/ollamon.toml:")
    assert problem["message"] == (
        """dashboard.allowed_hosts: expected a list such as ["box.lan"], got 'box'"""
    )

    change(stack, '"box"', '["box.lan"]')
    stack.run("up", code=4)
    assert "Either  ollamon reload" in stack.last_error
    said = stack.run("reload", "--dry-run")
    assert " ✓ proxy        unchanged\n" in said
    assert " ● dashboard    restarted: section.dashboard.allowed_hosts\n" in said
    assert said.endswith("Nothing was changed.\n")
    now = stack.children()
    assert {name: now[name]["pid"] for name in now} == {n: before[n]["pid"] for n in before}

    assert " ✓ dashboard    ready  pid " in stack.run("reload")
    now = stack.children()
    assert now["proxy"]["pid"] == before["proxy"]["pid"]
    assert now["dashboard"]["pid"] != before["dashboard"]["pid"]
    plan = json.loads(stack.run("reload", "--json"))
    assert {each["action"] for each in plan["plan"]} == {"keep"}
    assert "with this configuration" in stack.run("up", "-d")


def test_a_file_that_is_not_the_one_that_runs_is_refused(tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.touch()
    two.touch()
    reload.check_file(Session(file=str(one)), str(one))
    reload.check_file(Session(), str(one))
    with pytest.raises(click.UsageError, match=f"it runs with {one}, which is what reload reads"):
        reload.check_file(Session(file=str(two)), str(one))
