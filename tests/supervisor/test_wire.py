import json
import sys
from pathlib import Path

import pytest

from ollamon.errors import ControlError
from ollamon.supervisor.spec import (
    HttpProbe,
    Listen,
    LogSpec,
    Restart,
    RestartPolicy,
    ServiceSpec,
    StackSpec,
)
from ollamon.supervisor.wire import from_document, to_document

STACK = StackSpec(
    name="default",
    services=(
        ServiceSpec(
            "proxy",
            (sys.executable, "-c", ""),
            {"proxy": {"listen": "127.0.0.1:1", "hosts": ["a", "b"], "none": None}},
            (Listen("listen", "127.0.0.1", 1, "proxy.listen"),),
            restart=Restart(policy=RestartPolicy.ON_FAILURE, retry_s=None),
            environment={"A": "1"},
        ),
        ServiceSpec(
            "engine",
            ("/bin/true",),
            None,
            after=("proxy",),
            probe=HttpProbe("http://a/", "http://b/"),
            data_lock=Path("/data/lock"),
            files={Path("/data/file"): "text"},
            reload_signal=1,
        ),
    ),
    runtime=Path("/run/x"),
    state=Path("/state/x"),
    log=LogSpec(Path("/logs"), 10, 3),
    origin=("a", "b"),
    # What JSON makes of a float without a fraction elsewhere.
    start_timeout_s=5,
)


def test_a_stack_comes_back_as_it_was():
    assert from_document(json.loads(json.dumps(to_document(STACK)))) == STACK


@pytest.mark.parametrize(
    "change",
    [
        {"is": "ServiceSpec"},
        {"name": 7},
        {"services": None},
        {"services": [{"is": "ServiceSpec"}]},
        {"log": {"is": "LogSpec", "folder": "/logs", "max_bytes": True, "keep": 3}},
        {"shutdown_timeout_s": "5"},
        {"more": 1},
    ],
    ids=str,
)
def test_another_shape_is_refused(change):
    with pytest.raises(ControlError, match="cannot read the plan of a stack"):
        from_document(to_document(STACK) | change)


@pytest.mark.parametrize("document", [None, [], "x", {}])
def test_what_is_no_stack_at_all_is_refused(document):
    with pytest.raises(ControlError):
        from_document(document)
