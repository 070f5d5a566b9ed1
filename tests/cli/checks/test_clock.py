import os
import time
from dataclasses import replace
from email.utils import formatdate

import psutil

from ollamon.cli.checks import clock
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.cli.servers import answering
from tests.cli.test_table import STATUS


def test_a_clock_that_is_right_is_fine(world):
    began = psutil.Process().create_time()
    status = replace(STATUS, pid=os.getpid(), started=began + 0.3)
    assert one(clock.check(world(status=status))).severity is Severity.OK


def test_what_was_written_in_the_future_tells_of_a_clock_that_is_behind(world, tmp_path):
    (tmp_path / "s").mkdir()
    events = tmp_path / "s/events.jsonl"
    events.touch()
    assert one(clock.check(world())).severity is Severity.OK
    os.utime(events, (time.time() + 7200,) * 2)
    finding = one(clock.check(world()))
    assert finding.id == "clock-behind"
    assert "in the future" in finding.evidence


def test_the_kernels_count_tells_of_a_clock_that_was_set(world):
    began = psutil.Process().create_time()
    status = replace(STATUS, pid=os.getpid(), started=began - 3600)
    finding = one(clock.check(world(status=status)))
    assert finding.id == "clock-moved"
    assert finding.evidence == "set forward by 1 h 0 m since the stack began"
    back = replace(status, started=began + 3600)
    assert "set back" in one(clock.check(world(status=back))).evidence


def test_a_server_with_another_time_is_named(world, monkeypatch):
    with answering(200, b"{}", Date=formatdate(time.time() - 600, usegmt=True)) as url:
        document = {"prometheus": {"mode": "external", "url": url}}
        assert one(clock.check(world(document, is_offline=True))).severity is Severity.OK
        # Here, whatever it says, it has our clock.
        assert one(clock.check(world(document))).severity is Severity.OK
        monkeypatch.setattr(clock, "is_loopback", lambda host: False)
        finding = one(clock.check(world({**document, "demo": {"enabled": True}})))
    assert finding.id == "clock-apart"
    assert finding.evidence.startswith("Prometheus is 10 m ")
    assert finding.evidence.endswith("behind this machine")
