"""Which models are in Ollama's memory, from poll to poll, and what their coming tells, without I/O.

A model that was loaded while no request for it passed was used by somebody who goes around the
proxy. Why a model had to be loaded is told by how it left, so a load is judged at the next poll.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ollamon.proxy import labels

# Ollama reports a few milliseconds of "load" for a model that is in memory.
COLD_S = 0.2
# An expiry is moved by whole uses; its clock jitters by less.
_LATER_S = 1.0


class LoadReason(StrEnum):
    """Why a model was not in memory; values of the label `reason`."""

    FIRST = "first"
    EXPIRED = "expired"
    EVICTED = "evicted"
    OPTIONS = "options"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory; None is unknown, or never for the expiry (Unix time)."""

    context_length: int | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a poll tells: each cold load since the one before, and the models used around us."""

    loads: tuple[tuple[str, LoadReason], ...] = ()
    bypassed: tuple[str, ...] = ()


class Residence:
    """Follows the models that have series of their own, by label."""

    def __init__(self) -> None:
        self._now: Mapping[str, Resident] | None = None
        self._known: set[str] = set()
        self._left: dict[str, LoadReason] = {}
        self._cold: Counter[str] = Counter()
        # What ended just before a poll may show in the next one only.
        self._used: set[str] = set()
        self._used_before: set[str] = set()

    def holds(self, model: str) -> bool | None:
        """Say whether a model was in memory at the last poll; None is not known."""
        if self._now is None or model in (labels.OTHER, labels.UNKNOWN):
            return None
        return model in self._now

    def use(self, model: str, load_s: float | None) -> bool:
        """Note that a request for a model ended; say whether the model had to be loaded."""
        self._used.add(model)
        is_absent = self._now is not None and model not in self._now
        is_cold = load_s is not None and (load_s >= COLD_S or (load_s > 0 and is_absent))
        if is_cold:
            self._cold[model] += 1
        return is_cold

    def context_of(self, model: str) -> int | None:
        """Return the length of a model's context, by the last poll; None is unknown."""
        resident = (self._now or {}).get(model)
        return None if resident is None else resident.context_length

    def poll(
        self, models: Mapping[str, Resident] | None, running: Iterable[str], wall: float
    ) -> Findings:
        """Take what is in memory now, None if that is unknown, and the models of open requests."""
        used = self._used | self._used_before | set(running)
        loads = tuple(
            (model, self._reason(model, models or {}) if number == 0 else LoadReason.UNKNOWN)
            for model, count in self._cold.items()
            for number in range(count)
        )
        bypassed = tuple(
            model for model in models or () if model not in used and self._was_used(model, models)
        )
        self._note_leaving(models, wall)
        self._known |= {*self._cold, *(models or ())}
        self._used_before, self._used = self._used, set()
        self._cold.clear()
        self._now = models
        return Findings(loads, bypassed)

    def _reason(self, model: str, now: Mapping[str, Resident]) -> LoadReason:
        if model not in self._known:
            return LoadReason.FIRST
        before, after = (self._now or {}).get(model), now.get(model)
        if before is None:
            return self._left.get(model, LoadReason.UNKNOWN)
        has_changed = after is not None and after.context_length != before.context_length
        return LoadReason.OPTIONS if has_changed else LoadReason.UNKNOWN

    def _was_used(self, model: str, models: Mapping[str, Resident] | None) -> bool:
        if self._now is None or models is None:
            return False
        before, after = self._now.get(model), models[model]
        if before is None:
            return True
        if before.expires_at is None or after.expires_at is None:
            return False
        return after.expires_at > before.expires_at + _LATER_S

    def _note_leaving(self, models: Mapping[str, Resident] | None, wall: float) -> None:
        if models is None:
            return
        for model, resident in (self._now or {}).items():
            if model not in models:
                is_due = resident.expires_at is not None and resident.expires_at <= wall
                self._left[model] = LoadReason.EXPIRED if is_due else LoadReason.EVICTED
