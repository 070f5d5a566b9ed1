import os
import subprocess
import sys

import pytest

from ollamon.errors import AlreadyRunningError, RuntimeFolderError
from ollamon.supervisor import state


@pytest.fixture
def runtime(stacks):
    return stacks.folder / "run" / "default"


def test_the_folder_is_made_for_this_user_alone(runtime):
    state.prepare(runtime)
    assert runtime.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_read_is_closed(runtime):
    runtime.mkdir(parents=True, mode=0o755)
    state.prepare(runtime)
    assert runtime.stat().st_mode & 0o777 == 0o700


def test_a_symbolic_link_is_refused(runtime, tmp_path):
    runtime.parent.mkdir(parents=True)
    runtime.symlink_to(tmp_path)
    with pytest.raises(RuntimeFolderError, match="it is a symbolic link"):
        state.prepare(runtime)


def test_a_file_is_refused(runtime):
    runtime.parent.mkdir(parents=True)
    runtime.touch()
    with pytest.raises(RuntimeFolderError, match="cannot use"):
        state.prepare(runtime)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(runtime):
    runtime.mkdir(parents=True)
    os.chown(runtime, 65534, 65534)
    with pytest.raises(RuntimeFolderError, match="belongs to user id 65534"):
        state.prepare(runtime)


@pytest.mark.fault(47)
def test_a_path_too_long_for_a_socket_is_refused_in_words(tmp_path):
    with pytest.raises(RuntimeFolderError, match="shorter"):
        state.prepare(tmp_path / ("x" * 100))


def test_the_lock_is_exclusive_and_names_its_holder(runtime):
    lock = state.acquire(runtime)
    with pytest.raises(AlreadyRunningError, match=f"already running, pid {os.getpid()}"):
        state.acquire(runtime)
    lock.release()
    lock.release()
    state.acquire(runtime).release()


def test_the_lock_dies_with_its_process(runtime):
    code = f"""
import os, pathlib
from ollamon.supervisor import state
lock = state.acquire(pathlib.Path({str(runtime)!r}))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-I", "-c", code], check=False)
    state.acquire(runtime).release()


def test_a_child_does_not_keep_the_lock(runtime):
    lock = state.acquire(runtime)
    child = subprocess.Popen(
        [sys.executable, "-c", "input('up')"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    )
    assert child.stdout is not None
    child.stdout.read(2)
    lock.release()
    state.acquire(runtime).release()
    child.communicate(b"\n")
