import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ollamon.metrics import catalog
from ollamon.metrics.instruments import Instruments
from ollamon.proxy import components
from ollamon.proxy.components import MAX_COMPONENTS, components_in, show_components
from ollamon.supervisor import runfile
from ollamon.supervisor.messages import RUN_NAME, ChildState

RUN_ID = "0a1b2c3d"


def entry(name: str, state: str, restarts: int) -> runfile.ChildEntry:
    return runfile.ChildEntry(name, state, 1.7e9, restarts, None, None, None, ())


def write(folder: Path, *children: runfile.ChildEntry, run_id: str = RUN_ID) -> str:
    """As the supervisor does."""
    runfile.write(folder, runfile.Run("1", run_id, "boot", 1, 0.0, "", "", children))
    return str(folder / RUN_NAME)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def shown(registry: CollectorRegistry) -> dict[str, dict[str, float]]:
    """Samples of the last scrape: family -> component -> value."""
    wanted = {catalog.COMPONENT_UP.name: "up", catalog.COMPONENT_RESTARTS.name: "restarts"}
    found: dict[str, dict[str, float]] = {"up": {}, "restarts": {}}
    for family in registry.collect():
        for sample in family.samples:
            if sample.name in wanted:
                found[wanted[sample.name]][sample.labels["component"]] = sample.value
    return found


def is_up(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value(catalog.COLLECTOR_UP.name, {"collector": "supervisor"})


def test_each_scrape_tells_what_the_supervisor_wrote_last(tmp_path, registry):
    file = write(tmp_path, entry("proxy", "ready", 0), entry("helper", "starting", 0))
    show_components(Instruments(registry).board, file, RUN_ID)
    assert shown(registry) == {
        "up": {"proxy": 1, "helper": 0},
        "restarts": {"proxy": 0, "helper": 0},
    }
    write(tmp_path, entry("proxy", "ready", 0), entry("helper", "ready", 3))
    assert shown(registry)["up"] == {"proxy": 1, "helper": 1}
    assert shown(registry)["restarts"] == {"proxy": 0, "helper": 3}
    assert is_up(registry) == 1


@pytest.mark.parametrize("state", ChildState)
def test_a_component_is_up_while_it_is_ready(state):
    run = {"run_id": RUN_ID, "children": [{"name": "dashboard", "state": state, "restarts": 2}]}
    assert components_in(run, RUN_ID) == (("dashboard", state == "ready", 2),)


def test_the_file_is_parsed_when_it_changed_and_not_at_every_scrape(
    tmp_path, registry, monkeypatch
):
    parses = []

    def count(*args):
        parses.append(args)
        return components_in(*args)

    monkeypatch.setattr(components, "components_in", count)
    file = write(tmp_path, entry("proxy", "ready", 0))
    show_components(Instruments(registry).board, file, RUN_ID)
    for _ in range(3):
        assert shown(registry)["up"] == {"proxy": 1}
    assert len(parses) == 1
    write(tmp_path, entry("proxy", "degraded", 0))
    assert shown(registry)["up"] == {"proxy": 0}
    assert len(parses) == 2


@pytest.mark.parametrize("run_id", ["ffffffff", ""])
def test_another_run_says_nothing_of_this_one(tmp_path, registry, run_id):
    file = write(tmp_path, entry("proxy", "ready", 0), run_id=run_id)
    show_components(Instruments(registry).board, file, RUN_ID)
    assert shown(registry) == {"up": {}, "restarts": {}}


def test_a_proxy_that_nobody_supervises_tells_of_no_component(registry):
    show_components(Instruments(registry).board, "", RUN_ID)
    assert shown(registry) == {"up": {}, "restarts": {}}
    assert is_up(registry) is None


BROKEN = {
    "torn": b'{"run_id": "0a1b',
    "too deep": b"[" * 200_000,
    "too long": b" " * (components.MAX_BYTES + 1) + b"{}",
    "no text": b"\xff\xfe\x00",
    "gone": None,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_makes_all_unknown_until_it_can(tmp_path, registry, text):
    file = write(tmp_path, entry("proxy", "ready", 0))
    show_components(Instruments(registry).board, file, RUN_ID)
    assert shown(registry)["up"] == {"proxy": 1}
    if text is None:
        Path(file).unlink()
    else:
        Path(file).write_bytes(text)
    assert shown(registry) == {"up": {}, "restarts": {}}
    assert is_up(registry) == 0
    write(tmp_path, entry("proxy", "ready", 1))
    assert shown(registry)["restarts"] == {"proxy": 1}
    assert is_up(registry) == 1


ODD = {
    "a list": [],
    "children of another type": {"children": {"proxy": 1}},
    "a child of another type": {"children": ["proxy", None, 3]},
    "a name of another type": {"children": [{"name": 5, "state": "ready", "restarts": 0}]},
    "a name of foreign letters": {"children": [{"name": "\ud800\n{", "state": "ready"}]},
}


@pytest.mark.parametrize("document", ODD.values(), ids=ODD)
def test_what_no_supervisor_writes_is_no_component(document):
    run = document if isinstance(document, list) else {"run_id": RUN_ID, **document}
    assert components_in(run, RUN_ID) == ()


@pytest.mark.parametrize("restarts", [-1, True, 1e400, "3", None, 2**60])
def test_restarts_that_are_no_count_are_unknown(restarts):
    run = {"run_id": RUN_ID, "children": [{"name": "proxy", "state": 7, "restarts": restarts}]}
    assert components_in(run, RUN_ID) == (("proxy", False, None),)


def test_a_file_of_many_children_gives_no_more_series_than_a_stack_may_have():
    children = [{"name": f"c{i}", "state": "ready", "restarts": i} for i in range(10_000)]
    found = components_in(json.loads(json.dumps({"run_id": RUN_ID, "children": children})), RUN_ID)
    assert len(found) == MAX_COMPONENTS
