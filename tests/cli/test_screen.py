"""Lines reach terminals, pipes and files in order, and nobody waits for a slow one."""

import asyncio
import os
import pty

from ollamon.cli.screen import MAX_PENDING, Screen


async def test_children_s_lines_wait_for_the_end_of_the_start(tmp_path):
    with (tmp_path / "x").open("w+") as file:
        screen = Screen(asyncio.get_running_loop(), file)
        screen.logs.write("proxy │ early\n")
        screen.say(["starting", "ready"])
        screen.release()
        screen.logs.write("proxy │ late\n")
        screen.close()
        file.seek(0)
        assert file.read() == "starting\nready\nproxy │ early\nproxy │ late\n"


async def test_a_terminal_gets_the_lines():
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        screen = Screen(asyncio.get_running_loop(), stream)
        assert screen.is_terminal
        assert screen.logs.isatty()
        screen.say(["✓ ready"])
        screen.close()
        assert os.read(leader, 100).decode() == "✓ ready\r\n"
        # It is blocking for everybody else, as before.
        assert os.get_blocking(stream.fileno())
    os.close(leader)


async def test_a_reader_that_sleeps_holds_nobody_up_and_is_told_what_it_missed():
    read_end, write_end = os.pipe()
    line = "x" * 99 + "\n"
    count = 20 * MAX_PENDING // len(line)
    with os.fdopen(write_end, "w") as stream:
        screen = Screen(asyncio.get_running_loop(), stream)
        screen.release()
        for _ in range(count):
            screen.logs.write(line)
        screen.say(["our own line"])
        received = bytearray()
        reading = asyncio.get_running_loop().run_in_executor(None, read_all, read_end, received)
        while screen.is_behind:  # noqa: ASYNC110  it has no event to wait for
            await asyncio.sleep(0)
        screen.close()
    await reading
    lines = received.decode().splitlines()
    shown = lines.count(line.rstrip())
    assert 0 < shown < count
    assert lines[-2:] == ["our own line", f"ollamon    │ … {count - shown} lines not shown"]


async def test_a_reader_that_left_is_no_error():
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as stream:
        screen = Screen(asyncio.get_running_loop(), stream)
        os.close(read_end)
        screen.say(["nobody"])
        screen.close()


async def test_what_is_held_is_bounded(tmp_path):
    with (tmp_path / "x").open("w+") as file:
        screen = Screen(asyncio.get_running_loop(), file)
        for number in range(10):
            screen.logs.write(f"{number}" + "x" * (MAX_PENDING // 4) + "\n")
        screen.release()
        screen.close()
        file.seek(0)
        first, *rest = file.read().splitlines()
        assert first == "ollamon    │ … 7 lines not shown"
        assert [line[0] for line in rest] == ["7", "8", "9"]


def read_all(descriptor: int, into: bytearray) -> None:
    while data := os.read(descriptor, 65536):
        into += data
    os.close(descriptor)
