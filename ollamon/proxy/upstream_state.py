"""What the poller found upstream, in words, without I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class UpstreamKind(StrEnum):
    """Whether clients can use upstream."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    NOT_OLLAMA = "not_ollama"


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """The answer of the last poll.

    Attributes:
        reason: Why it is not simply up; "" when it is, or when nothing is known yet.
        version: As /api/version says, or "".
    """

    kind: UpstreamKind = UpstreamKind.UNKNOWN
    reason: str = ""
    version: str = ""

    @property
    def is_usable(self) -> bool:
        """Something answers there: a server that is no Ollama may still serve clients."""
        return self.kind is not UpstreamKind.DOWN


@dataclass(slots=True)
class UpstreamBox:
    """Where the poller leaves the state for those who show it.

    Attributes:
        tell: Is called after each poll.
    """

    state: UpstreamState = field(default_factory=UpstreamState)
    tell: Callable[[UpstreamState], None] = field(default=lambda _: None)

    def put(self, state: UpstreamState) -> None:
        """Keep what a poll found."""
        self.state = state
        self.tell(state)
