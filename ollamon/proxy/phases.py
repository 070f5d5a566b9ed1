"""What a request waits for that has no answer yet, as far as it shows outside, without I/O.

Ollama sends its head with the first token, so queue, load and prefill are one silence. Its list of
models in memory tells a load; requests for one model are taken in order, so behind one that waits
the next is queued. With several slots two may be in prefill at once: it is an estimate.
"""

from collections.abc import Iterable, Iterator

from ollamon.proxy.observation import Observation
from ollamon.proxy.records import Phase
from ollamon.proxy.residence import Residence
from ollamon.proxy.routes import COMPUTED

WAITING = frozenset({Phase.WAITING, Phase.QUEUED, Phase.LOADING, Phase.PREFILL})
"""The phases of a request to which nothing was answered yet."""


def phases(
    running: Iterable[Observation], residence: Residence
) -> Iterator[tuple[Phase, Observation]]:
    """Yield each with its phase; `running` has the oldest first."""
    awaited: set[str] = set()
    for exchange in running:
        phase, model = exchange.phase, exchange.model
        if phase is Phase.WAITING and exchange.route.reading in COMPUTED:
            phase = _awaiting(residence.holds(model), is_behind=model in awaited)
            awaited.add(model)
        yield phase, exchange


def _awaiting(is_resident: bool | None, *, is_behind: bool) -> Phase:
    if is_resident is None:
        return Phase.WAITING
    if not is_resident:
        return Phase.LOADING
    return Phase.QUEUED if is_behind else Phase.PREFILL
