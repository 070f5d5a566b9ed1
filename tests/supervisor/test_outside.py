"""What is not ours is looked at and shown. With real processes: ollamon.supervisor.outside."""

import asyncio
from dataclasses import replace

from ollamon.supervisor.messages import OutsideState
from ollamon.supervisor.outside import RHYTHM, Outside
from ollamon.supervisor.spec import HttpProbe, OutsideSpec, TcpProbe
from tests.supervisor.harness import Stacks, foreign, free_port, service, until
from tests.supervisor.test_reload import Reloadable


def states(stack) -> dict[str, str]:
    return {each.name: each.state for each in stack.status().outside}


def test_who_is_there_is_shown_and_who_is_not_holds_nobody_up(stacks: Stacks) -> None:
    there, absent = free_port(), free_port()
    other = Stacks(stacks.folder / "other")
    engine = other.start(foreign("engine", there)).ready()
    outside = (
        OutsideSpec("there", HttpProbe(f"http://127.0.0.1:{there}/", ""), "http://x:1", "yours"),
        OutsideSpec("absent", TcpProbe("127.0.0.1", absent)),
        OutsideSpec("off", reason="switched off"),
    )
    try:
        made = Reloadable(stacks, service("a"), outside=outside)
        stack = made.running
        up, down, off = OutsideState.UP, OutsideState.DOWN, OutsideState.DISABLED
        expected = {"there": up, "absent": down, "off": off}
        until(lambda: all(each.health for each in stack.status().outside[:2]), "all were looked at")
        assert states(stack) == expected
        assert stack.status().state == "ready"
        (first, second, third) = stack.status().outside
        assert (first.health.detail, first.address, first.note) == ("200: /", "http://x:1", "yours")
        assert not second.health.is_ok
        assert (third.health, third.note) == (None, "switched off")
        stack.wait_for("there", "external-up")
        # A reload shows others, and goes on with those that stay.
        since = first.since
        made.plan(service("a"), outside=outside[:1])
        assert made.reload() == {"a": "keep"}
        (left,) = stack.status().outside
        assert (left.name, left.since) == ("there", since)
        assert stack.stop() == 0
        assert engine.status().state == "ready"
    finally:
        other.clean()


async def test_one_bad_look_is_no_absence():
    answers = iter([False, True, False, False, True, False, False, False, False, True])
    heard = []

    class Scripted:
        loop = asyncio.get_running_loop()

        def questions(self, probe):
            async def ask(timeout_s):
                is_ok = next(answers, None)
                if is_ok is None:
                    over.set()
                    await asyncio.sleep(600)
                return is_ok, "seen"

            return ask, None

    over = asyncio.Event()
    rhythm = replace(RHYTHM, interval_s=0.0)
    async with asyncio.TaskGroup() as tasks:
        outside = Outside(Scripted(), tasks.create_task, heard.append, rhythm)
        outside.become([OutsideSpec("x", TcpProbe("127.0.0.1", 1))])
        await over.wait()
        outside.close()
    down, up = OutsideState.DOWN, OutsideState.UP
    assert [each.state for each in heard] == [down, up, down, up]
    assert outside.status() == ()
