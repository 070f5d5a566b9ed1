"""What a child is and what to do next, without I/O: (state, event) -> (state, actions).

`table` says every transition as data; docs/lifecycle.md is drawn from it. Two rules hold it
together:

* **Epochs.** Each spawn and each pause begins a new epoch. What the world reports (a timer, an
  exit, a probe) names the epoch it belongs to; when that is over, the report changes nothing. So a
  stop beats a restart that is already on its way.
* **One way out.** A process that ended is `Exited` only when its whole group is gone. Until then a
  child that should go is `stopping`, whatever the reason, and `sequel` says what follows.
"""

from ollamon.supervisor.lifecycle.events import (
    Action,
    BecameReady,
    CannotEnd,
    CannotSpawn,
    CloseSockets,
    Dead,
    EdgesMet,
    Elapsed,
    Event,
    Exited,
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
)
from ollamon.supervisor.lifecycle.life import Life, describe_exit
from ollamon.supervisor.lifecycle.table import RUNNING, Lifecycle

__all__ = [
    "RUNNING",
    "Action",
    "BecameReady",
    "CannotEnd",
    "CannotSpawn",
    "CloseSockets",
    "Dead",
    "EdgesMet",
    "Elapsed",
    "Event",
    "Exited",
    "Life",
    "Lifecycle",
    "RequirementBack",
    "RequirementLost",
    "RestartRequested",
    "Spawn",
    "StartRequested",
    "StartTimedOut",
    "StopRequested",
    "Terminate",
    "Unwell",
    "Wait",
    "Well",
    "describe_exit",
]
