"""What belongs to the stack and is not ours: looked at, shown, and left alone."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from ollamon.supervisor.looks import Asker
from ollamon.supervisor.messages import Health, Outsider, OutsideState
from ollamon.supervisor.spec import OutsideSpec, Rhythm

RHYTHM = Rhythm()


class Outside:
    """Looks at each every few seconds; `on_change` hears who has come or gone."""

    def __init__(
        self,
        asker: Asker,
        start_task: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
        on_change: Callable[[Outsider], None],
        rhythm: Rhythm = RHYTHM,
    ) -> None:
        self._asker = asker
        self._start_task = start_task
        self._on_change = on_change
        self._rhythm = rhythm
        self._seen: dict[str, Outsider] = {}
        self._looked: dict[str, float] = {}
        self._tasks: dict[OutsideSpec, asyncio.Task[None]] = {}

    def become(self, specs: Iterable[OutsideSpec]) -> None:
        """Look at these from now on, and at no others."""
        wanted = list(specs)
        for spec in [known for known in self._tasks if known not in wanted]:
            self._tasks.pop(spec).cancel()
        before, self._seen = self._seen, {}
        for spec in wanted:
            fresh = Outsider(spec.name, _first(spec), time.time(), None, spec.address, spec.reason)
            self._seen[spec.name] = before.get(spec.name, fresh) if spec in self._tasks else fresh
            if spec.probe is not None and spec not in self._tasks:
                self._tasks[spec] = self._start_task(self._watch(spec))

    def close(self) -> None:
        """Look at nobody any more."""
        self.become(())

    def status(self) -> tuple[Outsider, ...]:
        """Return what was seen last; looks at nobody."""
        now = self._asker.loop.time()
        return tuple(self._aged(seen, now) for seen in self._seen.values())

    def _aged(self, seen: Outsider, now: float) -> Outsider:
        if seen.health is None:
            return seen
        age_s = max(0.0, now - self._looked[seen.name])
        return replace(seen, health=replace(seen.health, age_s=age_s))

    async def _watch(self, spec: OutsideSpec) -> None:
        assert spec.probe is not None  # noqa: S101
        try:
            question, _ = self._asker.questions(spec.probe)
        except (OSError, ValueError) as error:
            self._note(spec.name, False, f"cannot ask: {error}")
            return
        bad = 0
        while True:
            is_ok, detail = await question(self._rhythm.timeout_s)
            bad = 0 if is_ok else bad + 1
            # One that was there is gone only when that is sure; one that was not is gone at once.
            was_up = self._seen[spec.name].state is OutsideState.UP
            is_down = not is_ok and (not was_up or bad >= self._rhythm.unwell_after)
            if is_ok or is_down:
                self._note(spec.name, is_ok, detail)
            await asyncio.sleep(self._rhythm.interval_s)

    def _note(self, name: str, is_ok: bool, detail: str) -> None:
        before = self._seen[name]
        state = OutsideState.UP if is_ok else OutsideState.DOWN
        self._looked[name] = self._asker.loop.time()
        seen = replace(before, state=state, health=Health(is_ok, 0.0, detail))
        if state is not before.state or before.health is None:
            seen = replace(seen, since=time.time())
            self._seen[name] = seen
            self._on_change(seen)
        self._seen[name] = seen


def _first(spec: OutsideSpec) -> OutsideState:
    return OutsideState.DISABLED if spec.probe is None else OutsideState.DOWN
