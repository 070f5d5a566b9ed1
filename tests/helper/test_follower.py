"""A streaming source, with a real process that plays powermetrics."""

import contextlib
import os
import threading
import time

import pytest

from ollamon.helper.collectors.macmon import Macmon
from ollamon.helper.collectors.powermetrics import Powermetrics
from ollamon.helper.follower import Follower
from ollamon.readings import State
from tests.fakes import powermetrics as fake

WAIT_S = 20.0


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def follow(tmp_path):
    """Follow a fake that behaves so; at the end no process is left."""
    stop = threading.Event()
    with contextlib.ExitStack() as rests:

        def begin(behaviour, clock=time.monotonic, **options):
            path = fake.program(tmp_path / "powermetrics", behaviour, **options)
            follower = Follower(Powermetrics(2.0, "arm64", (), str(path)), clock)
            rests.callback(no_process_left, path)
            rests.callback(follower.join, WAIT_S)
            follower.start(stop)
            return follower, path

        yield begin
        stop.set()


def no_process_left(path):
    for call in fake.calls(path):
        with pytest.raises(ProcessLookupError):
            os.kill(call["pid"], 0)


def until(look):
    deadline = time.monotonic() + WAIT_S
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def state_of(follower):
    return follower.view().state


def test_a_stream_gives_values_and_no_more_than_it_says(follow):
    follower, path = follow("stream")
    until(lambda: state_of(follower).samples > 3)
    view = follower.view()
    assert (view.state.state, view.state.parse_errors) == (State.OK, 0)
    assert view.found.power_mw == 3000
    assert view.found.gpus[0].utilization_percent == 25
    (call,) = fake.calls(path)
    assert call["environment"] == {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
    assert call["cwd"] == "/"
    assert " ".join(call["argv"]).startswith("-s cpu_power,gpu_power,thermal -f plist -i 2000 -n")


def test_a_word_that_is_refused_leads_to_the_next_rung_which_is_remembered(follow):
    follower, path = follow(
        "refuse", complaint="powermetrics: unrecognized sampler: thermal", lacks="thermal"
    )
    until(lambda: state_of(follower).state is State.OK)
    assert [" ".join(call["argv"][:2]) for call in fake.calls(path)] == [
        "-s cpu_power,gpu_power,thermal",
        "-s cpu_power,gpu_power,thermal",
        "-s cpu_power",
    ]


def test_without_the_right_it_says_what_helps_and_is_not_asked_again_soon(follow):
    follower, path = follow("refuse", complaint="sudo: a password is required")
    until(lambda: state_of(follower).state is State.PERMISSION_DENIED)
    assert "ollamon helper install" in state_of(follower).detail
    assert len(fake.calls(path)) == 1


def test_a_flag_that_is_refused_is_left_out(follow):
    follower, path = follow(
        "refuse",
        complaint="powermetrics: unrecognized option `--handle-invalid-values'",
        lacks="--handle-invalid-values",
    )
    until(lambda: state_of(follower).state is State.OK)
    first, second = fake.calls(path)
    assert first["argv"] == [*second["argv"], "--handle-invalid-values"]


def test_a_crash_loop_backs_off_to_a_minute_and_a_good_sample_resets_it(tmp_path):
    path, stop = tmp_path / "powermetrics", threading.Event()
    follower = Follower(Powermetrics(2.0, "arm64", (), str(path)), Clock())

    def waits(behaviour, count, **options):
        fake.program(path, behaviour, **options)
        return [follower.turn(stop) for _ in range(count)]

    assert waits("refuse", 8, complaint="boom") == [1, 2, 4, 8, 16, 32, 60, 60]
    assert state_of(follower).state is State.FAILED
    assert waits("crash", 1) == [1]
    assert waits("refuse", 2, complaint="boom") == [2, 4]
    assert waits("crash", 2) == [1, 1]
    assert state_of(follower).restarts == 2


def test_silence_is_noticed_and_the_program_started_anew(follow):
    clock = Clock()
    follower, path = follow("stall", clock)
    until(lambda: state_of(follower).samples == 1)
    clock.now += 3 * 2 + 5 + 1
    until(lambda: state_of(follower).state is State.FAILED)
    assert "silent" in state_of(follower).detail
    until(lambda: len(fake.calls(path)) == 2)


def test_one_that_will_not_leave_is_killed(follow):
    follower, _ = follow("deaf")
    until(lambda: state_of(follower).samples == 1)


def test_a_flood_of_complaints_blocks_nothing(follow):
    follower, _ = follow("flood")
    until(lambda: state_of(follower).samples > 2)


def test_bad_documents_are_counted_and_the_values_stay(follow):
    follower, _ = follow("nonsense")
    until(lambda: state_of(follower).parse_errors > 1)
    assert state_of(follower).state is State.OK
    assert follower.view().found.power_mw == 3000


def test_a_program_that_is_not_there_is_unavailable(tmp_path):
    follower = Follower(Powermetrics(2.0, "arm64", (), str(tmp_path / "none")))
    assert follower.turn(threading.Event()) == 60
    assert state_of(follower).state is State.UNAVAILABLE


def test_old_values_are_stale(follow):
    clock = Clock()
    follower, _ = follow("stall", clock)
    until(lambda: state_of(follower).samples == 1)
    clock.now += 6.1
    assert (state_of(follower).state, follower.view().found) == (State.STALE, None)


def test_macmon_is_never_run_as_root(tmp_path, monkeypatch):
    path = fake.program(tmp_path / "macmon", "macmon")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    follower = Follower(Macmon(1.0, (tmp_path,)))
    follower.turn(threading.Event())
    assert (state_of(follower).state, fake.calls(path)) == (State.UNAVAILABLE, [])


def test_macmon_stands_in_for_powermetrics_that_may_not_run(follow, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    other, _ = follow("refuse", complaint="sudo: a password is required")
    until(lambda: state_of(other).state is State.PERMISSION_DENIED)
    fake.program(tmp_path / "macmon", "macmon")
    follower, stop = Follower(Macmon(1.0, (tmp_path,)), stands_in_for=other), threading.Event()
    follower.start(stop)
    until(lambda: state_of(follower).samples > 2)
    seen = follower.view().found
    stop.set()
    follower.join(WAIT_S)
    assert (seen.power_mw, seen.gpus[0].utilization_percent) == (2500, 25)
    assert (seen.temperature_celsius, seen.ane_power_mw) == (51.5, 0)


def test_macmon_rests_while_powermetrics_works(follow, tmp_path):
    other, _ = follow("stream")
    until(lambda: state_of(other).state is State.OK)
    follower, stop = Follower(Macmon(1.0, (tmp_path,)), stands_in_for=other), threading.Event()
    follower.start(stop)
    until(lambda: "not needed" in (state_of(follower).detail or ""))
    stop.set()
    follower.join(WAIT_S)
