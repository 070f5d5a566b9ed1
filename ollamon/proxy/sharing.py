"""Who drew the energy of an interval: shared by streamed chunks, without I/O.

Each request that was there in the interval gets a part in proportion to the chunks that it streamed
in it; if none came, all get the same. What was drawn without any request is nobody's. Nothing is
counted here while chunks pass: what they are counted anyway is compared once an interval.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

MOST = 1000


class Work(NamedTuple):
    """A request, its model's label, and the chunks that it has streamed so far."""

    request: int
    model: str
    chunks: int


@dataclass(slots=True)
class _Account:
    """What one request has got.

    Attributes:
        chunks: What it had streamed when the last interval ended.
        joules: None: a part of it is unknown.
    """

    chunks: int = 0
    joules: float | None = 0.0


class _Part(NamedTuple):
    account: _Account
    model: str
    chunks: int


class Sharing:
    """Keeps the accounts of requests, and the sums by model.

    Args:
        most: Requests that may end in an interval and each get to know their energy; of more, only
            the sums by model are right.

    Attributes:
        by_model: Joules.
        nobodys: Joules that were drawn while no request was there.
    """

    def __init__(self, most: int = MOST) -> None:
        self.by_model: defaultdict[str, float] = defaultdict(float)
        self.nobodys = 0.0
        self._most = most
        self._running: dict[int, _Account] = {}
        self._ended: list[tuple[int, _Part]] = []
        self._folded: dict[str, tuple[int, int]] = {}

    def ended(self, work: Work, seq: int) -> None:
        """A request is over; `seq` is what `share` will call it."""
        part = _part(self._running.pop(work.request, _Account()), work)
        if len(self._ended) < self._most:
            self._ended.append((seq, part))
        else:
            requests, chunks = self._folded.get(part.model, (0, 0))
            self._folded[part.model] = requests + 1, chunks + part.chunks

    def is_idle(self, running: Sequence[Work]) -> bool:
        """Say whether no request was there since the last interval ended."""
        return not self._ended and not running

    def share(self, running: Sequence[Work], joules: float | None) -> list[tuple[int, float]]:
        """End an interval in which so much was drawn above idle; None: that is unknown.

        Returns:
            Of each request that ended in it and whose energy is known, `seq` and joules.

        Raises:
            ValueError: The energy is negative, or no number.
        """
        if joules is not None and not joules >= 0:
            raise ValueError(f"energy above idle cannot be {joules}")
        accounts = {each.request: self._running.get(each.request, _Account()) for each in running}
        parts = [
            *(part for _, part in self._ended),
            *(_part(accounts[each.request], each) for each in running),
        ]
        if joules is None:
            for part in parts:
                part.account.joules = None
        else:
            self._give(parts, joules)
        for each in running:
            accounts[each.request].chunks = each.chunks
        self._running = accounts
        return self._settled()

    def _give(self, parts: list[_Part], joules: float) -> None:
        folded = self._folded.values()
        streamed = sum(part.chunks for part in parts) + sum(chunks for _, chunks in folded)
        there = len(parts) + sum(requests for requests, _ in folded)
        if not there:
            self.nobodys += joules
            return
        for part in parts:
            share = joules * part.chunks / streamed if streamed else joules / there
            self.by_model[part.model] += share
            if part.account.joules is not None:
                part.account.joules += share
        for model, (requests, chunks) in self._folded.items():
            self.by_model[model] += joules * (chunks / streamed if streamed else requests / there)

    def _settled(self) -> list[tuple[int, float]]:
        ended = [(seq, part.account.joules) for seq, part in self._ended]
        self._ended.clear()
        self._folded.clear()
        return [(seq, joules) for seq, joules in ended if joules is not None]


def _part(account: _Account, work: Work) -> _Part:
    # When an answer ends, its last document turns out to be no chunk.
    return _Part(account, work.model, max(0, work.chunks - account.chunks))
