"""What a transition does besides changing the state, without I/O.

Each takes a life and the event, and returns the life with what it remembers, and the actions.
"""

from collections.abc import Callable
from dataclasses import replace

from ollamon.supervisor.lifecycle.events import (
    Action,
    BecameReady,
    CannotEnd,
    CannotSpawn,
    CloseSockets,
    Dead,
    Event,
    Exited,
    RequirementLost,
    Spawn,
    StartTimedOut,
    Terminate,
    Unwell,
    Wait,
)
from ollamon.supervisor.lifecycle.life import Life, Sequel, describe_exit
from ollamon.supervisor.messages import ChildState
from ollamon.supervisor.spec import RestartPolicy

Effect = Callable[[Life, Event], tuple[Life, tuple[Action, ...]]]
Told = RequirementLost | StartTimedOut | Unwell | Dead | CannotEnd | CannotSpawn


def nothing(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """Remember nothing new."""
    return life, ()


def calm(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """There is no reason any more."""
    return replace(life, reason=""), ()


def remember(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """Keep what was told as the reason."""
    return replace(life, reason=_detail(event)), ()


def spawn(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """Start a process."""
    fresh = replace(life.new_epoch(), spawns=life.spawns + 1, ready_at=None, reason="")
    return fresh, (Spawn(),)


def note_ready(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """From now on the time counts that makes it stable."""
    assert isinstance(event, BecameReady)  # noqa: S101
    return replace(life, ready_at=event.t, reason=""), ()


def pardon(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """Begin anew, counters at zero."""
    return life.pardoned().new_epoch(), ()


def start_after_the_end(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """Start anew as soon as it has ended."""
    return replace(life.pardoned(), sequel=Sequel.START), ()


def end_for_restart(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """End it because a person wants it anew."""
    ending = replace(life.pardoned(), sequel=Sequel.START, reason="restart asked for")
    return ending, (Terminate(),)


def end_for_good(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """End it and refuse clients."""
    return replace(life, sequel=Sequel.STAY, reason=""), (CloseSockets(), Terminate())


def stay_down(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """Let it end, start it no more, and refuse clients."""
    return replace(life, sequel=Sequel.STAY), (CloseSockets(),)


def rest(life: Life, _: Event) -> tuple[Life, tuple[Action, ...]]:
    """Without a process there is nothing but clients to refuse."""
    return replace(life, reason=""), (CloseSockets(),)


def end_unwell(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """End it because something is wrong with it."""
    return replace(life, sequel=Sequel.BACKOFF, reason=_detail(event)), (Terminate(),)


def lose(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """Something of it stays, and nothing may serve beside that."""
    sequel = life.sequel if life.state is ChildState.STOPPING else Sequel.BACKOFF
    return replace(life, sequel=sequel, reason=_detail(event)), (CloseSockets(),)


def note_exit(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """It is gone, as was wanted."""
    return replace(_ended(life, event), reason=""), ()


def note_last_exit(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """It has done its work."""
    return replace(_ended(life, event), reason=""), (CloseSockets(),)


def begin_anew(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """It is gone, and its next turn comes at once."""
    return _ended(life, event).new_epoch(), ()


def pause(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """Count the end, and wait before the next start."""
    t, reason = _end_of(life, event)
    seconds, failures = life.pause_after(t)
    counted = replace(_ended(life, event).after_end(t), failures=failures, reason=reason)
    return counted.new_epoch(), (Wait(seconds),)


def give_up(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """Count the end, say that it was one too many, and wait long."""
    t, reason = _end_of(life, event)
    counted = _ended(life, event).after_end(t)
    return _failed(counted, f"{reason}; given up after {len(counted.ends)} tries")


def fail(life: Life, event: Event) -> tuple[Life, tuple[Action, ...]]:
    """Say why there is no second try for now, and wait long if one may come."""
    _, reason = _end_of(life, event)
    hopeless = isinstance(event, Exited) and event.code in life.rules.fatal_codes
    text = f"{reason}: no second try can mend this" if hopeless else reason
    return _failed(_ended(life, event), text)


def _failed(life: Life, reason: str) -> tuple[Life, tuple[Action, ...]]:
    failed = replace(life, reason=reason).new_epoch()
    retry_s = None if life.rules.policy is RestartPolicy.NEVER else life.rules.retry_s
    return failed, (CloseSockets(),) if retry_s is None else (CloseSockets(), Wait(retry_s))


def _ended(life: Life, event: Event) -> Life:
    return replace(life, last_exit=describe_exit(event.code)) if isinstance(event, Exited) else life


def _end_of(life: Life, event: Event) -> tuple[float, str]:
    """Return when it ended, and why: for what it was stopped says more than its code."""
    assert isinstance(event, Exited | CannotSpawn)  # noqa: S101
    if isinstance(event, CannotSpawn):
        return event.t, event.detail
    was_stopped = life.state is ChildState.STOPPING and life.reason
    return event.t, life.reason if was_stopped else describe_exit(event.code)


def _detail(event: Event) -> str:
    assert isinstance(event, Told)  # noqa: S101
    return event.detail
