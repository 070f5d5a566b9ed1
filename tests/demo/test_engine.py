import asyncio
import heapq
import itertools
from contextlib import aclosing
from random import Random

import pytest

from ollamon.demo import models
from ollamon.demo.answers import Usage
from ollamon.demo.engine import Clock, Engine
from ollamon.demo.pacing import Job

LLAMA, QWEN = models.find("llama3.2:3b"), models.find("qwen3:8b")
NS = 1_000_000_000


class StepClock(Clock):
    """Time that passes only when everybody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future]] = []

    def now(self) -> float:
        return self._now

    async def sleep_until(self, moment: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (moment, next(self._order), woken))
        await woken

    async def play(self, *jobs) -> list:
        """Run to the end and return the results."""
        done = asyncio.gather(*jobs)
        while not done.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleepers and not done.done():
                moment, _, woken = heapq.heappop(self._sleepers)
                self._now = max(self._now, moment)
                if not woken.done():
                    woken.set_result(None)
        return done.result()

    def skip(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def engine(clock) -> Engine:
    return Engine(Random(3), clock)


def job(model=LLAMA, **changes) -> Job:
    return Job(model, model.name, **({"prompt_tokens": 100, "limit": 5} | changes))


async def collect(engine: Engine, work: Job) -> tuple[list, Usage]:
    *pieces, usage = [event async for event in engine.generate(work)]
    return pieces, usage


def queued_ns(usage: Usage) -> int:
    return usage.total_ns - usage.load_ns - usage.prompt_ns - usage.eval_ns


async def test_an_answer_is_its_tokens_and_then_its_usage(clock, engine):
    [(pieces, usage)] = await clock.play(collect(engine, job()))
    assert len(pieces) == usage.generated == 5
    assert usage.prompt_tokens == 100
    assert usage.done_reason == "length"
    assert engine.served == 1


async def test_the_phases_add_up_to_the_whole(clock, engine):
    [(_, usage)] = await clock.play(collect(engine, job()))
    assert abs(queued_ns(usage)) < 5
    assert usage.load_ns > 1 * NS
    assert usage.prompt_ns > 0
    assert usage.eval_ns > 0


async def test_a_second_load_is_warm(clock, engine):
    await clock.play(collect(engine, job()))
    [(_, usage)] = await clock.play(collect(engine, job()))
    assert usage.load_ns < 0.01 * NS


async def test_a_second_request_waits_for_the_models_only_slot(clock, engine):
    (_, first), (_, second) = await clock.play(collect(engine, job()), collect(engine, job()))
    assert abs(queued_ns(first)) < 5
    assert abs(queued_ns(second) - first.total_ns) < 5


async def test_models_do_not_wait_for_each_other(clock, engine):
    results = await clock.play(collect(engine, job()), collect(engine, job(QWEN)))
    assert all(abs(queued_ns(usage)) < 5 for _, usage in results)


async def test_a_model_leaves_memory_after_its_time(clock, engine):
    await clock.play(collect(engine, job(keep_s=10)))
    assert [resident.model for resident in engine.residents()] == [LLAMA]
    clock.skip(11)
    assert engine.residents() == []
    [(_, usage)] = await clock.play(collect(engine, job()))
    assert usage.load_ns > 1 * NS


async def test_an_abort_frees_the_slot_at_once(clock, engine):
    async def leave_after_one() -> None:
        async with aclosing(engine.generate(job(limit=400))) as events:
            async for _ in events:
                return

    await clock.play(leave_after_one())
    [(_, usage)] = await clock.play(collect(engine, job()))
    assert abs(queued_ns(usage)) < 5
    assert engine.served == 1


async def test_a_cancelled_load_leaves_nothing_behind(clock, engine):
    async def loading() -> None:
        async with asyncio.timeout(0):
            await collect(engine, job())

    with pytest.raises(TimeoutError):
        await clock.play(loading())
    assert engine.residents() == []
    await clock.play(collect(engine, job()))


async def test_an_embedding_reads_the_prompt_only(clock, engine):
    embedding = job(models.find("nomic-embed-text"))
    [usage] = await clock.play(engine.embed(embedding))
    assert usage.generated == usage.eval_ns == 0
    assert usage.total_ns > usage.load_ns > 0


async def test_an_empty_prompt_loads_and_unloads(clock, engine):
    assert await clock.play(engine.warm_up(job())) == ["load"]
    assert len(engine.residents()) == 1
    assert await clock.play(engine.warm_up(job(keep_s=0))) == ["unload"]
    assert engine.residents() == []


async def test_a_faster_clock_waits_less():
    clock = Clock(speed=1e6)
    await asyncio.wait_for(clock.sleep_until(clock.now() + 3600), 10)
