import os
import signal
import subprocess
import sys

from ollamon.supervisor import identity


def test_a_process_has_one_start_time_and_a_dead_one_none():
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    first = identity.start_time(process.pid)
    assert first is not None
    assert identity.start_time(process.pid) == first
    process.kill()
    # A zombie is dead too.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert identity.start_time(process.pid) is None
    process.communicate()
    assert identity.start_time(process.pid) is None


def test_a_signal_reaches_only_who_began_then():
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    started = identity.start_time(process.pid)
    assert not identity.send_signal(process.pid, started + 1, signal.SIGKILL)
    assert process.poll() is None
    assert identity.send_signal(process.pid, started, signal.SIGKILL)
    process.communicate()
    assert not identity.send_signal(process.pid, started, signal.SIGKILL)


def test_the_run_of_a_process_is_in_its_environment():
    environment = {**os.environ, "OLLAMON_RUN_ID": "abc", "OLLAMON_CHILD": "proxy"}
    code = "import os; os.write(1, b'.'); input()"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdout.read(1)
    assert identity.run_of(process.pid) == "abc"
    assert identity.is_of(process.pid, "abc", "proxy")
    assert not identity.is_of(process.pid, "abc", "engine")
    process.communicate(b"\n")
    assert identity.run_of(process.pid) == ""


def test_a_boot_has_a_name():
    assert identity.boot_id()
