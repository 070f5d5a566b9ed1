import asyncio

from ollamon.proxy.timers import NEVER, Ticker, Timeouts
from tests.fakes.upstream import eventually


class Item:
    def __init__(self, on_tick=lambda: None):
        self.ticks = []
        self.on_tick = on_tick

    def tick(self, now):
        self.ticks.append(now)
        self.on_tick()


async def test_everything_that_is_watched_is_looked_at_again_and_again():
    ticker = Ticker(asyncio.get_running_loop(), 0.001)
    first, second = Item(), Item()
    ticker.watch(first)
    ticker.watch(second)
    ticker.start()
    await eventually(lambda: len(first.ticks) > 2)
    assert first.ticks == sorted(first.ticks)
    ticker.forget(first)
    ticker.forget(first)
    seen, others = len(first.ticks), len(second.ticks)
    await eventually(lambda: len(second.ticks) > others + 1)
    assert len(first.ticks) == seen
    ticker.stop()
    ticker.stop()


async def test_an_item_may_leave_while_it_is_looked_at():
    ticker = Ticker(asyncio.get_running_loop(), 0.001)
    items = []
    for _ in range(3):
        item = Item()
        item.on_tick = lambda item=item: ticker.forget(item)
        items.append(item)
        ticker.watch(item)
    ticker.start()
    await eventually(lambda: all(item.ticks for item in items))
    ticker.stop()
    assert [len(item.ticks) for item in items] == [1, 1, 1]


def test_upstream_may_be_silent_for_ever():
    assert NEVER > 10**12
    assert not hasattr(Timeouts(), "answer")
