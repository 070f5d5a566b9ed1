import os
import subprocess

from ollamon.supervisor.messages import Health
from ollamon.supervisor.observation import MOST_OUTSIDE, Observation


def test_nothing_is_known_of_a_child_that_does_not_run():
    seen = Observation()
    seen.looked(True, 1.0, "ready")
    assert seen.health(2.0) is None
    assert seen.usage() == (None, None)


def test_the_last_look_has_an_age():
    seen = Observation()
    seen.begin(os.getpid())
    assert seen.health(1.0) is None
    seen.looked(False, 1.0, "503")
    health = seen.health(3.5)
    assert health is not None
    assert (health.is_ok, health.age_s, health.detail) == (False, 2.5, "503")
    cpu, rss = seen.usage()
    assert cpu is not None
    assert rss is not None
    assert rss > 1_000_000
    seen.end()
    assert seen.health(4.0) is None


def test_a_process_that_is_gone_has_no_appetite():
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    seen = Observation()
    seen.begin(process.pid)
    assert seen.usage() == (None, None)


def test_what_is_not_ours_is_remembered_with_its_age():
    seen = Observation()
    seen.saw("ollama ok http://x:1 0.12.3", 1.0)
    assert list(seen.outside(2.0)) == []
    seen.begin(os.getpid())
    (first,) = seen.outside(3.5)
    assert (first.name, first.state, first.address) == ("ollama", "external-up", "http://x:1")
    assert first.health == Health(True, 2.5, "0.12.3")
    seen.saw("ollama ok http://x:1 0.12.4", 4.0)
    (again,) = seen.outside(4.0)
    assert (again.note, again.since) == ("0.12.4", first.since)
    seen.saw("ollama bad http://x:1 connection refused", 5.0)
    for nonsense in ("nonsense", "other merry x y", ""):
        seen.saw(nonsense, 5.0)
    (last,) = seen.outside(5.0)
    assert last.state == "external-down"
    assert last.health == Health(False, 0.0, "connection refused")
    assert last.since >= first.since


def test_a_child_cannot_name_things_without_end():
    seen = Observation()
    seen.begin(os.getpid())
    for number in range(100):
        seen.saw(f"x{number} ok", 1.0)
    assert len(list(seen.outside(1.0))) == MOST_OUTSIDE
