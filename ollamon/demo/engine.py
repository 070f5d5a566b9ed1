"""Plays jobs in real time: one slot a model, loading when cold, unloading when idle for long."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from ollamon.demo import pacing
from ollamon.demo.answers import Usage
from ollamon.demo.memory import Memory, Resident
from ollamon.demo.models import SHELF, Model
from ollamon.demo.pacing import Job, Piece

NS = 1_000_000_000


class Clock:
    """Time as the simulation sees it; `speed` makes it faster than real time, for tests."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic() * self._speed

    async def sleep_until(self, moment: float) -> None:
        """Wait for a moment of this clock."""
        await asyncio.sleep((moment - self.now()) / self._speed)


class Engine:
    """The simulated inference.

    Attributes:
        served: Jobs that came to their end.
    """

    def __init__(self, rng: Random, clock: Clock) -> None:
        self._rng = rng
        self._clock = clock
        self._memory = Memory()
        # OLLAMA_NUM_PARALLEL is 1 by default: a second request for a busy model waits.
        self._slots = {model.name: asyncio.Lock() for model in SHELF}
        self.served = 0

    def now(self) -> float:
        """Seconds of the engine's clock."""
        return self._clock.now()

    def residents(self) -> list[Resident]:
        """The models in memory."""
        return self._memory.residents(self.now())

    async def generate(self, job: Job) -> AsyncGenerator[Piece | Usage, None]:
        """Yield the tokens of an answer as they come, then its usage. Close it to abort."""
        arrived = self.now()
        async with self._slot(job):
            began = self.now()
            await self._load(job)
            loaded = self.now()
            plan = pacing.plan_answer(job, self._rng)
            await self._clock.sleep_until(loaded + plan.prompt_s)
            due = prompted = self.now()
            for place, gap_s in enumerate(plan.gaps_s):
                due += gap_s
                await self._clock.sleep_until(due)
                if place < len(plan.pieces):
                    yield plan.pieces[place]
            ended = self.now()
        self.served += 1
        yield Usage(
            done_reason=plan.done_reason,
            total_ns=_ns(ended - arrived),
            load_ns=_ns(loaded - began),
            prompt_tokens=job.prompt_tokens,
            prompt_ns=_ns(prompted - loaded),
            generated=plan.generated,
            eval_ns=_ns(ended - prompted),
        )

    async def embed(self, job: Job) -> Usage:
        """Read the prompt only."""
        arrived = self.now()
        async with self._slot(job):
            began = self.now()
            await self._load(job)
            loaded = self.now()
            wait_s = pacing.prompt_s(job.model, job.prompt_tokens, self._rng)
            await self._clock.sleep_until(loaded + wait_s)
            ended = self.now()
        self.served += 1
        spent = _ns(ended - loaded)
        return Usage(
            "stop",
            _ns(ended - arrived),
            _ns(loaded - began),
            job.prompt_tokens,
            spent,
            0,
            0,
        )

    async def warm_up(self, job: Job) -> str:
        """Serve an empty prompt: load the model, or unload it when it is not to be kept.

        Returns:
            The done_reason, "load" or "unload".
        """
        async with self._slot(job):
            if job.keep_s == 0:
                return "unload"
            await self._load(job)
            return "load"

    @asynccontextmanager
    async def _slot(self, job: Job) -> AsyncIterator[None]:
        async with self._slots[job.model.name]:
            try:
                yield
            finally:
                self._leave(job.model, job.keep_s)

    def _leave(self, model: Model, keep_s: float) -> None:
        self._memory.release(model, keep_s, self.now())

    async def _load(self, job: Job) -> None:
        began = self.now()
        is_loaded = self._memory.holds(job.model, began)
        if is_loaded:
            self._memory.take(job.model, job.keep_s)
        await self._clock.sleep_until(began + pacing.load_s(job.model, is_loaded, self._rng))
        self._memory.take(job.model, job.keep_s)


def _ns(seconds: float) -> int:
    return max(1, round(seconds * NS))
