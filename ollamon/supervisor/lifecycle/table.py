"""Every transition of a child as data, and the step through it, without I/O.

The first row that fits an event is taken; an event that fits none changes nothing. The last row of
a (state, event) has no condition, so that the order of rows says what "otherwise" means.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ollamon.supervisor.lifecycle import effects as do
from ollamon.supervisor.lifecycle import events as on
from ollamon.supervisor.lifecycle.life import Life, Sequel
from ollamon.supervisor.messages import ChildState as S

Guard = Callable[[Life, on.Event], bool]

RUNNING = frozenset({S.STARTING, S.READY, S.DEGRADED})
UP = frozenset({S.READY, S.DEGRADED})
WAITING = frozenset({S.PENDING, S.BLOCKED})
LEAVING = frozenset({S.STOPPING, S.STOP_FAILED})
RESTING = frozenset({S.BACKOFF, S.FAILED, S.STOPPED, S.EXITED, S.BLOCKED})
WITHOUT_PROCESS = WAITING | RESTING


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: in one of these states, at that event, if the condition holds.

    Attributes:
        words: The condition for people; "" when there is none.
        holds: The condition.
    """

    sources: frozenset[S]
    event: type[on.Event]
    target: S
    effect: do.Effect = do.nothing
    words: str = ""
    holds: Guard = lambda life, event: True

    def fits(self, life: Life, event: on.Event) -> bool:
        """Say whether this row is to be taken."""
        is_here = life.state in self.sources and isinstance(event, self.event)
        return is_here and self.holds(life, event)


def _shall(sequel: Sequel) -> Guard:
    return lambda life, _: life.sequel is sequel


def _is_given_up(life: Life, event: on.Event) -> bool:
    return isinstance(event, on.Exited | on.CannotSpawn) and life.is_given_up_by(event.t)


def _is_over_with(life: Life, event: on.Event) -> bool:
    return isinstance(event, on.Exited) and life.is_over_with(event.code)


def _is_final(life: Life, event: on.Event) -> bool:
    match event:
        case on.Exited(code=code):
            return life.is_final(code)
        case on.CannotSpawn(is_final=is_final):
            return is_final
        case _:
            return False


def _row(
    sources: S | frozenset[S],
    event: type[on.Event],
    target: S,
    effect: do.Effect = do.nothing,
    **condition: Guard,
) -> Transition:
    """Make a row; the condition's name, `_` for a space, is what people read."""
    states = frozenset({sources}) if isinstance(sources, S) else sources
    for words, holds in condition.items():
        return Transition(states, event, target, effect, words.replace("_", " "), holds)
    return Transition(states, event, target, effect)


TABLE: tuple[Transition, ...] = (
    # Its turn.
    _row(S.PENDING, on.EdgesMet, S.STARTING, do.spawn),
    _row(S.PENDING, on.RequirementLost, S.BLOCKED, do.remember),
    _row(S.BLOCKED, on.RequirementBack, S.PENDING, do.calm),
    # What it shows.
    _row(S.STARTING, on.BecameReady, S.READY, do.note_ready),
    _row(S.STARTING, on.StartTimedOut, S.STOPPING, do.end_unwell),
    _row(S.READY, on.Unwell, S.DEGRADED, do.remember),
    _row(S.DEGRADED, on.Well, S.READY, do.calm),
    _row(UP, on.Dead, S.STOPPING, do.end_unwell),
    # Its end, which nobody asked for.
    _row(RUNNING, on.Exited, S.FAILED, do.fail, no_second_try_helps=_is_final),
    _row(RUNNING, on.Exited, S.EXITED, do.note_last_exit, its_work_is_done=_is_over_with),
    _row(RUNNING, on.Exited, S.FAILED, do.give_up, one_too_many=_is_given_up),
    _row(RUNNING, on.Exited, S.BACKOFF, do.pause),
    _row(S.STARTING, on.CannotSpawn, S.FAILED, do.fail, no_second_try_helps=_is_final),
    _row(S.STARTING, on.CannotSpawn, S.FAILED, do.give_up, one_too_many=_is_given_up),
    _row(S.STARTING, on.CannotSpawn, S.BACKOFF, do.pause),
    # Pauses.
    _row(S.BACKOFF, on.Elapsed, S.STARTING, do.spawn),
    _row(S.FAILED, on.Elapsed, S.PENDING, do.pardon),
    # What people ask for.
    _row(RESTING, on.StartRequested, S.PENDING, do.pardon),
    _row(RESTING, on.RestartRequested, S.PENDING, do.pardon),
    _row(RUNNING, on.RestartRequested, S.STOPPING, do.end_for_restart),
    _row(S.STOPPING, on.StartRequested, S.STOPPING, do.start_after_the_end),
    _row(S.STOPPING, on.RestartRequested, S.STOPPING, do.start_after_the_end),
    _row(WITHOUT_PROCESS - {S.STOPPED}, on.StopRequested, S.STOPPED, do.rest),
    _row(RUNNING, on.StopRequested, S.STOPPING, do.end_for_good),
    _row(S.STOPPING, on.StopRequested, S.STOPPING, do.stay_down),
    _row(S.STOP_FAILED, on.StopRequested, S.STOP_FAILED, do.stay_down),
    # Its end, which was wanted.
    _row(RUNNING | {S.STOPPING}, on.CannotEnd, S.STOP_FAILED, do.lose),
    _row(LEAVING, on.Exited, S.STOPPED, do.note_exit, shall_stay_down=_shall(Sequel.STAY)),
    _row(LEAVING, on.Exited, S.PENDING, do.begin_anew, shall_start_anew=_shall(Sequel.START)),
    _row(LEAVING, on.Exited, S.FAILED, do.give_up, one_too_many=_is_given_up),
    _row(LEAVING, on.Exited, S.BACKOFF, do.pause),
)


@dataclass(frozen=True, slots=True)
class Lifecycle(Life):
    """A life that goes through the table."""

    def on(self, event: on.Event) -> tuple["Lifecycle", tuple[on.Action, ...]]:
        """Return what it is after the event, and what to do about it."""
        if not isinstance(event, on.Wish) and event.epoch != self.epoch:
            return self, ()
        for row in TABLE:
            if row.fits(self, event):
                life, actions = row.effect(self, event)
                after = replace(life, state=row.target)
                assert isinstance(after, Lifecycle)  # noqa: S101
                return after, actions
        return self, ()
