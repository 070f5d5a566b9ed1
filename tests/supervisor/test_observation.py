import os
import subprocess

from ollamon.supervisor.messages import External
from ollamon.supervisor.observation import MOST_EXTERNALS, Observation


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
    seen.saw("ollama ok 0.12.3 on 127.0.0.1:11434", 1.0)
    assert seen.externals(2.0) == ()
    seen.begin(os.getpid())
    assert seen.externals(3.5) == (External("ollama", True, 2.5, "0.12.3 on 127.0.0.1:11434"),)
    seen.saw("ollama bad connection refused", 4.0)
    seen.saw("nonsense", 4.0)
    seen.saw("other merry x", 4.0)
    assert seen.externals(4.0) == (External("ollama", False, 0.0, "connection refused"),)


def test_a_child_cannot_name_things_without_end():
    seen = Observation()
    seen.begin(os.getpid())
    for number in range(100):
        seen.saw(f"x{number} ok", 1.0)
    assert len(seen.externals(1.0)) == MOST_EXTERNALS
