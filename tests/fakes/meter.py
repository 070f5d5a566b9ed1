"""A meter that writes down what the relay tells it, and raises where a test says."""

from dataclasses import dataclass, field

from ollamon.proxy.agents import ClientKind
from ollamon.proxy.routes import Route
from ollamon.proxy.tap import AnswerHead, Ending, Reads, Rejection, ignore


@dataclass
class Boom(Exception):  # noqa: N818
    """What a failing tap raises."""

    where: str


@dataclass
class RecordingTap:
    """One exchange as the relay told it.

    Attributes:
        failing: Names of calls that raise.
        reads: The body of the answer, a read an item.
        calls: Name of each call, in order.
    """

    id: int

    method: str
    route: Route
    failing: frozenset[str] = frozenset()
    request: bytearray = field(default_factory=bytearray)
    reads: list[bytes] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    head: AnswerHead | None = None
    ending: Ending | None = None
    status: int | None = None

    @property
    def answer(self) -> bytes:
        return b"".join(self.reads)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.failing:
            raise Boom(call)

    def request_read(self, data: bytes) -> None:
        self.request += data
        self._note("request_read")

    def request_complete(self, now: float) -> None:
        self._note("request_complete")

    def answer_began(self, head: AnswerHead, now: float) -> Reads:
        self.head = head
        self._note("answer_began")
        return self.answer_read

    def blinded(self) -> Reads:
        self._note("blinded")
        return ignore

    def answer_read(self, data: bytes, now: float) -> None:
        assert type(data) is bytes
        self.reads.append(data)
        self._note("answer_read")

    def ended(self, ending: Ending, status: int | None, now: float) -> None:
        assert self.ending is None, "ended twice"
        self.ending, self.status = ending, status
        self._note("ended")


@dataclass
class RecordingMeter:
    """Attributes: `failing` names calls of taps, or of the meter, that raise."""

    failing: frozenset[str] = frozenset()
    taps: list[RecordingTap] = field(default_factory=list)
    refusals: list[Rejection] = field(default_factory=list)
    connects: list[float] = field(default_factory=list)
    clients: list[ClientKind] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    overheads: list[float] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def began(
        self, method: str, route: Route, now: float, client: ClientKind, trace: str
    ) -> RecordingTap:
        self.clients.append(client)
        self.traces.append(trace)
        if "began" in self.failing:
            raise Boom("began")
        self.taps.append(RecordingTap(len(self.taps) + 1, method, route, self.failing))
        return self.taps[-1]

    def connected(self, seconds: float) -> None:
        self.connects.append(seconds)
        if "connected" in self.failing:
            raise Boom("connected")

    def relayed(self, seconds: float) -> None:
        self.overheads.append(seconds)
        if "relayed" in self.failing:
            raise Boom("relayed")

    def refused(self, reason: Rejection) -> None:
        self.refusals.append(reason)
        if "refused" in self.failing:
            raise Boom("refused")

    def failed(self, error: Exception) -> None:
        self.errors.append(error)
        if "failed" in self.failing:
            raise Boom("failed")

    @property
    def active(self) -> int:
        """Exchanges that have not ended."""
        return sum(tap.ending is None for tap in self.taps)

    @property
    def endings(self) -> list[Ending | None]:
        return [tap.ending for tap in self.taps]
