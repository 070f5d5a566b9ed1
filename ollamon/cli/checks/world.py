"""What a check is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ollamon.cli.checks.sight import Sight
from ollamon.config.load import Loaded
from ollamon.services import Find, Plan
from ollamon.supervisor.messages import ChildState, StackStatus

SERVING = frozenset({ChildState.READY, ChildState.DEGRADED})


@dataclass(frozen=True, slots=True)
class World:
    """What checks look at.

    Attributes:
        loaded: The configuration.
        plan: What `ollamon up` would run; None when a required program is missing.
        status: What runs now, None when nothing does.
        find: Name or path of a program -> its path, or None.
        environment: The variables of this shell.
        silence: Why a supervisor that is there does not answer, or "".
        sight: Asks servers and the system, and remembers.
    """

    loaded: Loaded
    plan: Plan | None
    status: StackStatus | None
    find: Find
    environment: Mapping[str, str] = field(default_factory=dict)
    silence: str = ""
    sight: Sight = field(default_factory=Sight)

    @property
    def children(self) -> frozenset[str]:
        """Names of what runs."""
        return (
            frozenset(child.name for child in self.status.children) if self.status else frozenset()
        )

    @property
    def serving(self) -> frozenset[str]:
        """Names of what runs and serves."""
        children = self.status.children if self.status else ()
        return frozenset(child.name for child in children if child.state in SERVING)
