"""Draws the table of transitions for people, without I/O; docs/lifecycle.md is made of it."""

import re
from collections.abc import Iterator

from ollamon.supervisor.lifecycle.table import TABLE, Transition
from ollamon.supervisor.messages import ChildState

HEAD = """# Life of a child

Generated from `ollamon/supervisor/lifecycle/table.py` by `scripts/generate`; do not edit.

A row is taken when the child is in one of its states, the event happens and the condition holds;
the first that fits wins, and an event that fits none changes nothing. What a process reports counts
for its own incarnation alone.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_diagram(), "", *_rows()]) + "\n"


def words_of(name: str) -> str:
    """`StartTimedOut` -> `start timed out`."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"  [*] --> {ChildState.PENDING}"
    for source in ChildState:
        for target in ChildState:
            labels = dict.fromkeys(_label(row) for row in TABLE if _leads(row, source, target))
            if labels:
                yield f"  {_id(source)} --> {_id(target)}: {', '.join(labels)}"
    yield f'  state "{ChildState.STOP_FAILED}" as {_id(ChildState.STOP_FAILED)}'
    yield "```"


def _rows() -> Iterator[str]:
    yield "| from | event | condition | to | what happens |"
    yield "|---|---|---|---|---|"
    for row in TABLE:
        sources = ", ".join(state for state in ChildState if state in row.sources)
        effect = (row.effect.__doc__ or "").removesuffix(".")
        cells = (sources, words_of(row.event.__name__), row.words, row.target, effect)
        yield f"| {' | '.join(cells)} |"


def _leads(row: Transition, source: ChildState, target: ChildState) -> bool:
    return source in row.sources and row.target is target and source is not target


def _label(row: Transition) -> str:
    event = words_of(row.event.__name__)
    return f"{event} ({row.words})" if row.words else event


def _id(state: ChildState) -> str:
    """A word that mermaid takes as a name."""
    return state.replace("-", "_")
