import json

import pytest

from ollamon import __version__
from ollamon.errors import ControlError, OtherVersionError
from ollamon.supervisor import messages
from ollamon.supervisor.messages import ChildState, ChildStatus, Event, Health, StackState

CHILD = ChildStatus(
    name="proxy",
    state=ChildState.DEGRADED,
    since=1.5,
    pid=7,
    ports=(1, 2),
    restarts=3,
    last_exit="signal 9",
    health=Health(False, 2.0, "503: /"),
    cpu_percent=0.5,
    rss_bytes=1000,
    log="/logs/proxy.log",
    note="busy",
    address="http://127.0.0.1:1",
    tail=("a", "b"),
)
STATUS = messages.StackStatus(
    name="default",
    state=StackState.DEGRADED,
    run_id="01234567",
    pid=5,
    version="1",
    started=1.0,
    config_file="",
    config_digest="",
    children=(
        CHILD,
        ChildStatus("x", ChildState.PENDING, 0, None, (), 0, "", *[None] * 3, *[""] * 3),
    ),
)


def test_a_status_survives_the_socket():
    document = json.loads(json.dumps(messages.to_json(STATUS)))
    assert messages.status_from_json(document) == STATUS


def test_an_event_survives_the_socket():
    event = Event(1.0, 0.5, "proxy", "ready", "", 7)
    assert messages.event_from_json(json.loads(json.dumps(messages.to_json(event)))) == event


@pytest.mark.parametrize("change", [{"state": "merry"}, {"children": 3}])
def test_a_status_of_another_shape_is_refused(change):
    document = {**messages.to_json(STATUS), **change}
    with pytest.raises(OtherVersionError, match="is ollamon 1, this command is"):
        messages.status_from_json(document)
    document["version"] = __version__
    with pytest.raises(ControlError, match="cannot read the supervisor's status"):
        messages.status_from_json(document)


def test_an_event_of_another_shape_is_refused():
    with pytest.raises(ControlError, match="cannot read the supervisor's event"):
        messages.event_from_json({"t": 1})


def test_what_a_newer_version_says_besides_is_left_out():
    document = json.loads(json.dumps(messages.to_json(STATUS)))
    document["more"] = document["children"][0]["more"] = 1
    assert messages.status_from_json(document) == STATUS
    event = messages.Event(1.0, 0.5, "proxy", "ready")
    assert messages.event_from_json({**messages.to_json(event), "more": 1}) == event
