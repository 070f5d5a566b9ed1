import pytest

from ollamon.supervisor.lifecycle import (
    BecameReady,
    CannotEnd,
    CannotSpawn,
    CloseSockets,
    Dead,
    EdgesMet,
    Elapsed,
    Exited,
    Lifecycle,
    RequirementBack,
    RequirementLost,
    RestartRequested,
    Spawn,
    StartRequested,
    StartTimedOut,
    StopRequested,
    Terminate,
    Unwell,
    Wait,
    Well,
    describe_exit,
    page,
    table,
)
from ollamon.supervisor.messages import ChildState as S
from ollamon.supervisor.spec import Restart, RestartPolicy

RULES = Restart()

START = (EdgesMet(), S.STARTING, (Spawn(),))
READY = (BecameReady(1, 0.0), S.READY, ())
FAIL = (CloseSockets(), Wait(RULES.retry_s))
AT_ONCE = (Wait(0.0),)

HISTORIES = {
    "starts, becomes ready and stops on request": [
        START,
        READY,
        (StopRequested(), S.STOPPING, (CloseSockets(), Terminate())),
        (Exited(1, 1.0, 0), S.STOPPED, ()),
    ],
    "a stop before its turn needs no signal": [(StopRequested(), S.STOPPED, (CloseSockets(),))],
    "a ready child that exits with 0 is started again all the same": [
        START,
        READY,
        (Exited(1, 1.0, 0), S.BACKOFF, AT_ONCE),
        (Elapsed(2), S.STARTING, (Spawn(),)),
    ],
    "pauses double, and the third exit before readiness is the last": [
        START,
        (Exited(1, 0.1, 1), S.BACKOFF, (Wait(0.2),)),
        (Elapsed(2), S.STARTING, (Spawn(),)),
        (Exited(3, 0.4, 1), S.BACKOFF, (Wait(0.4),)),
        (Elapsed(4), S.STARTING, (Spawn(),)),
        (Exited(5, 0.9, 1), S.FAILED, FAIL),
    ],
    "exits that are far apart are never too many": [
        START,
        (Exited(1, 0.0, 1), S.BACKOFF, (Wait(0.2),)),
        (Elapsed(2), S.STARTING, (Spawn(),)),
        (Exited(3, 150.0, 1), S.BACKOFF, (Wait(0.4),)),
        (Elapsed(4), S.STARTING, (Spawn(),)),
        (Exited(5, 300.0, 1), S.BACKOFF, (Wait(0.8),)),
    ],
    "the exit of a stable child is followed by a start at once": [
        START,
        READY,
        (Exited(1, 40.0, 1), S.BACKOFF, AT_ONCE),
        (Elapsed(2), S.STARTING, (Spawn(),)),
    ],
    "a fatal exit code fails at once": [START, (Exited(1, 0.1, 78), S.FAILED, FAIL)],
    "a fatal exit code of a child that was told to stop is no failure": [
        START,
        (StopRequested(), S.STOPPING, (CloseSockets(), Terminate())),
        (Exited(1, 0.1, 78), S.STOPPED, ()),
    ],
    "a program that cannot be run fails at once": [
        START,
        (CannotSpawn(1, 0.0, "no such file", is_final=True), S.FAILED, FAIL),
    ],
    "a system without room is tried again": [
        START,
        (CannotSpawn(1, 0.0, "no memory", is_final=False), S.BACKOFF, (Wait(0.2),)),
    ],
    "a failed child is tried again after its pause, with a clean slate": [
        START,
        (Exited(1, 0.1, 78), S.FAILED, FAIL),
        (Elapsed(2), S.PENDING, ()),
        (EdgesMet(), S.STARTING, (Spawn(),)),
        (Exited(4, 0.2, 1), S.BACKOFF, (Wait(0.2),)),
    ],
    "a failed child stops without a signal": [
        START,
        (Exited(1, 0.1, 78), S.FAILED, FAIL),
        (StopRequested(), S.STOPPED, (CloseSockets(),)),
        (Elapsed(2), S.STOPPED, ()),
    ],
    "not ready in time: stopped, then tried again": [
        START,
        (StartTimedOut(1, "late"), S.STOPPING, (Terminate(),)),
        (Exited(1, 30.0, 0), S.BACKOFF, (Wait(0.2),)),
    ],
    "readiness that comes while it is stopped for being late is ignored": [
        START,
        (StartTimedOut(1, "late"), S.STOPPING, (Terminate(),)),
        (BecameReady(1, 30.0), S.STOPPING, ()),
    ],
    "unwell and well again, without a restart": [
        START,
        READY,
        (Unwell(1, "503"), S.DEGRADED, ()),
        (Unwell(1, "503"), S.DEGRADED, ()),
        (Well(1), S.READY, ()),
    ],
    "without a sign of life it is stopped and started again": [
        START,
        READY,
        (Unwell(1, "silent"), S.DEGRADED, ()),
        (Dead(1, "silent"), S.STOPPING, (Terminate(),)),
        (Exited(1, 10.0, -9), S.BACKOFF, AT_ONCE),
    ],
    "a degraded child that exits is started again": [
        START,
        READY,
        (Unwell(1, "503"), S.DEGRADED, ()),
        (Exited(1, 10.0, -9), S.BACKOFF, AT_ONCE),
    ],
    "a restart by request takes no pause": [
        START,
        READY,
        (RestartRequested(), S.STOPPING, (Terminate(),)),
        (Exited(1, 1.0, 0), S.PENDING, ()),
        (EdgesMet(), S.STARTING, (Spawn(),)),
    ],
    "a restart by request cuts the pause short, and the pause's end is void": [
        START,
        READY,
        (Exited(1, 1.0, 1), S.BACKOFF, AT_ONCE),
        (RestartRequested(), S.PENDING, ()),
        (Elapsed(2), S.PENDING, ()),
        (EdgesMet(), S.STARTING, (Spawn(),)),
        (Elapsed(2), S.STARTING, ()),
    ],
    "a restart by request during an automatic one skips its pause": [
        START,
        (StartTimedOut(1, "late"), S.STOPPING, (Terminate(),)),
        (RestartRequested(), S.STOPPING, ()),
        (Exited(1, 30.0, 0), S.PENDING, ()),
    ],
    "a stop beats a restart that is on its way": [
        START,
        READY,
        (RestartRequested(), S.STOPPING, (Terminate(),)),
        (StopRequested(), S.STOPPING, (CloseSockets(),)),
        (Exited(1, 1.0, 0), S.STOPPED, ()),
    ],
    "who asks for a start while it stops gets it": [
        START,
        READY,
        (StopRequested(), S.STOPPING, (CloseSockets(), Terminate())),
        (StartRequested(), S.STOPPING, ()),
        (Exited(1, 1.0, 0), S.PENDING, ()),
    ],
    "what cannot be ended is told, refuses clients, and may still go": [
        START,
        READY,
        (StopRequested(), S.STOPPING, (CloseSockets(), Terminate())),
        (CannotEnd(1, "pid 7 stays"), S.STOP_FAILED, (CloseSockets(),)),
        (StartRequested(), S.STOP_FAILED, ()),
        (Exited(1, 9.0, 0), S.STOPPED, ()),
    ],
    "a crash of which something stays is followed by a start once it is gone": [
        START,
        READY,
        (CannotEnd(1, "pid 7 stays"), S.STOP_FAILED, (CloseSockets(),)),
        (Exited(1, 9.0, -9), S.BACKOFF, AT_ONCE),
    ],
    "without what it requires it is blocked, and comes when that comes": [
        (RequirementLost("requires base, which is failed"), S.BLOCKED, ()),
        (EdgesMet(), S.BLOCKED, ()),
        (RequirementBack(), S.PENDING, ()),
        START,
    ],
    "a blocked child stops without a signal": [
        (RequirementLost("requires base, which is off"), S.BLOCKED, ()),
        (StopRequested(), S.STOPPED, (CloseSockets(),)),
    ],
    "a start asked for changes nothing for one that runs": [
        START,
        (StartRequested(), S.STARTING, ()),
        READY,
        (StartRequested(), S.READY, ()),
    ],
    "a start asked for ends the wait of a failed child": [
        START,
        (Exited(1, 0.1, 78), S.FAILED, FAIL),
        (StartRequested(), S.PENDING, ()),
    ],
    "a stop during the pause voids its end": [
        START,
        READY,
        (Exited(1, 1.0, 1), S.BACKOFF, AT_ONCE),
        (StopRequested(), S.STOPPED, (CloseSockets(),)),
        (Elapsed(2), S.STOPPED, ()),
        (EdgesMet(), S.STOPPED, ()),
    ],
    "a stopped child can be started by request": [
        (StopRequested(), S.STOPPED, (CloseSockets(),)),
        (RestartRequested(), S.PENDING, ()),
    ],
    "what an earlier incarnation reports changes nothing": [
        START,
        READY,
        (Exited(1, 1.0, 1), S.BACKOFF, AT_ONCE),
        (Elapsed(2), S.STARTING, (Spawn(),)),
        (Exited(1, 1.1, 1), S.STARTING, ()),
        (BecameReady(1, 1.1), S.STARTING, ()),
        (Dead(1, "silent"), S.STARTING, ()),
    ],
    "reports that fit no state change nothing": [
        (BecameReady(0, 0.0), S.PENDING, ()),
        (Exited(0, 0.0, 1), S.PENDING, ()),
        (CannotSpawn(0, 0.0, "?", is_final=True), S.PENDING, ()),
        (Elapsed(0), S.PENDING, ()),
        (RestartRequested(), S.PENDING, ()),
    ],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_history(history):
    life = Lifecycle(RULES)
    for event, state, actions in history:
        life, told = life.on(event)
        assert (life.state, told) == (state, actions)


def crash_when_ready(life: Lifecycle, t: float) -> tuple[Lifecycle, float | None]:
    """Start, become ready, exit at `t`; return the pause, None when given up."""
    event = EdgesMet() if life.state is S.PENDING else Elapsed(life.epoch)
    life, _ = life.on(event)
    life, _ = life.on(BecameReady(life.epoch, t - 0.1))
    life, actions = life.on(Exited(life.epoch, t, 1))
    return life, next((a.seconds for a in actions if isinstance(a, Wait)), None)


def test_six_exits_of_a_child_that_had_been_ready_are_too_many():
    life, pauses = Lifecycle(RULES), []
    for number in range(6):
        life, pause = crash_when_ready(life, float(number))
        pauses.append(pause)
    assert pauses == [0.0, 0.2, 0.4, 0.8, 1.6, RULES.retry_s]
    assert life.state is S.FAILED
    assert life.reason == "exit 1; given up after 6 tries"


def test_the_pause_has_a_cap():
    life = Lifecycle(RULES)
    pauses = []
    for number in range(10):
        life, pause = crash_when_ready(life, number * 100.0)
        pauses.append(pause)
    assert max(pauses) == pauses[-1] == RULES.max_s


def test_the_pause_is_short_again_after_a_stable_time():
    life, _ = crash_when_ready(Lifecycle(RULES), 0.0)
    life, _ = crash_when_ready(life, 1.0)
    life, _ = life.on(Elapsed(life.epoch))
    life, _ = life.on(BecameReady(life.epoch, 10.0))
    life, actions = life.on(Exited(life.epoch, 45.0, 1))
    assert actions == (Wait(0.0),)
    _, pause = crash_when_ready(life, 50.0)
    assert pause == RULES.initial_s


def test_a_request_wipes_the_counters():
    life = Lifecycle(RULES)
    for number in range(5):
        life, _ = crash_when_ready(life, float(number))
    life, _ = life.on(RestartRequested())
    _, pause = crash_when_ready(life, 6.0)
    assert pause == 0.0


def test_the_reason_is_kept_and_goes_with_readiness():
    life, _ = Lifecycle(RULES).on(EdgesMet())
    life, _ = life.on(StartTimedOut(1, "not ready within 30 s"))
    life, _ = life.on(Exited(1, 30.0, 0))
    assert (life.reason, life.last_exit) == ("not ready within 30 s", "exit 0")
    life, _ = life.on(Elapsed(life.epoch))
    life, _ = life.on(BecameReady(life.epoch, 31.0))
    assert (life.reason, life.last_exit) == ("", "exit 0")


WORKER = Restart(policy=RestartPolicy.ON_FAILURE, success_codes=frozenset({0, 3}))
ONCE = Restart(policy=RestartPolicy.NEVER)
STAYS = Restart(retry_s=None)


@pytest.mark.parametrize(
    ("rules", "code", "state", "actions"),
    [
        (WORKER, 3, S.EXITED, (CloseSockets(),)),
        (WORKER, 1, S.BACKOFF, AT_ONCE),
        (WORKER, -15, S.BACKOFF, AT_ONCE),
        (ONCE, 0, S.EXITED, (CloseSockets(),)),
        (ONCE, 1, S.FAILED, (CloseSockets(),)),
        (STAYS, 78, S.FAILED, (CloseSockets(),)),
    ],
)
def test_the_policy_decides_after_an_exit(rules, code, state, actions):
    life, _ = Lifecycle(rules).on(EdgesMet())
    life, _ = life.on(BecameReady(1, 0.0))
    life, told = life.on(Exited(1, 5.0, code))
    assert (life.state, told) == (state, actions)
    life, _ = life.on(StartRequested())
    assert (life.state, life.ends) == (S.PENDING, ())


@pytest.mark.parametrize(
    ("rules", "code", "reason"),
    [(ONCE, 1, "exit 1"), (ONCE, 78, "exit 78: no second try can mend this")],
)
def test_only_what_cannot_be_mended_is_said_to_be_so(rules, code, reason):
    life, _ = Lifecycle(rules).on(EdgesMet())
    life, _ = life.on(Exited(1, 5.0, code))
    assert (life.state, life.reason) == (S.FAILED, reason)


def test_a_degraded_child_that_crashes_says_how_it_ended():
    life, _ = Lifecycle(RULES).on(EdgesMet())
    life, _ = life.on(BecameReady(1, 0.0))
    life, _ = life.on(Unwell(1, "503"))
    life, _ = life.on(Exited(1, 1.0, -9))
    assert life.reason == "signal 9"


def test_a_child_that_runs_forty_seconds_is_started_at_once_for_ever():
    life, _ = Lifecycle(RULES).on(EdgesMet())
    for number in range(50):
        began = number * 40.0
        life, _ = life.on(BecameReady(life.epoch, began))
        life, actions = life.on(Exited(life.epoch, began + 39.9, 1))
        assert (life.state, actions) == (S.BACKOFF, AT_ONCE)
        life, _ = life.on(Elapsed(life.epoch))


def test_every_row_of_the_table_can_be_reached():
    """The rows of one state and event end with one that always fits, and none comes after it."""
    for state in S:
        for event in {row.event for row in table.TABLE}:
            rows = [row for row in table.TABLE if state in row.sources and row.event is event]
            assert all(row.words for row in rows[:-1]), (state, event)
            assert not rows or not rows[-1].words or event is Exited, (state, event)


def test_every_state_can_be_reached_and_left():
    reached = {row.target for row in table.TABLE} | {S.PENDING}
    left = {state for row in table.TABLE for state in row.sources if state is not row.target}
    assert reached == left == set(S)


def test_the_page_has_every_row_and_every_state():
    text = page.page()
    assert text.count("\n| ") == len(table.TABLE) + 1
    assert "pending --> starting: edges met" in text
    assert "stopping --> stop_failed: cannot end" in text
    assert page.words_of("StartTimedOut") == "start timed out"


def test_an_exit_is_described_by_code_or_signal():
    assert describe_exit(1) == "exit 1"
    assert describe_exit(-9) == "signal 9"
