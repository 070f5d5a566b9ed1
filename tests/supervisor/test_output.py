import asyncio
import errno
import os
import time

from ollamon.supervisor import logfiles, marks
from ollamon.supervisor.output import RING, Output, RotatingFile
from ollamon.supervisor.spec import LogSpec


def test_a_log_makes_room_for_itself_and_keeps_the_newest(tmp_path):
    log = RotatingFile(tmp_path / "logs" / "a.log", 100, 2)
    for number in range(50):
        log.write(b"line %04d\n" % number)
    log.close()
    names = sorted(path.name for path in log.path.parent.iterdir())
    assert names == ["a.log", "a.log.1", "a.log.2"]
    texts = [(log.path.parent / name).read_text() for name in ("a.log.2", "a.log.1", "a.log")]
    assert "".join(texts).splitlines() == [f"line {n:04d}" for n in range(20, 50)]
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_a_log_without_old_ones_begins_anew(tmp_path):
    log = RotatingFile(tmp_path / "a.log", 100, 0)
    for _ in range(11):
        log.write(b"123456789\n")
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
    assert log.path.stat().st_size == 10


def test_a_log_goes_on_where_an_earlier_run_ended(tmp_path):
    for _ in range(2):
        log = RotatingFile(tmp_path / "a.log", 100, 1)
        log.write(b"x\n")
        log.close()
    assert log.path.read_text() == "x\nx\n"


def test_what_the_disk_does_not_take_is_counted(tmp_path):
    (tmp_path / "file").touch()
    log = RotatingFile(tmp_path / "file" / "a.log", 100, 1)
    log.write(b"12345")
    log.write(b"678")
    assert log.dropped == 8


def test_only_what_was_not_written_is_lost_and_it_is_told_once(tmp_path, monkeypatch):
    told: list[str] = []
    log = RotatingFile(tmp_path / "a.log", 100, 1, told.append)
    write = os.write
    sizes = iter([3, 0, 0])

    def full(descriptor: int, data: memoryview) -> int:
        size = next(sizes)
        if not size:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:size])

    monkeypatch.setattr(os, "write", full)
    log.write(b"12345")
    log.write(b"678")
    monkeypatch.undo()
    log.write(b"9")
    log.close()
    assert (log.dropped, told) == (5, ["No space left on device"])
    assert log.path.read_bytes() == b"1239"


def test_a_moved_file_is_left_at_the_next_opening(tmp_path):
    log = RotatingFile(tmp_path / "a.log", 100, 1)
    log.write(b"one\n")
    log.path.rename(tmp_path / "moved")
    log.close()
    log.write(b"two\n")
    log.close()
    assert log.path.read_text() == "two\n"


async def test_what_is_left_in_the_pipe_is_read_at_the_end(tmp_path):
    output = Output(asyncio.get_running_loop(), "a", LogSpec(tmp_path, 10**7, 1), None)
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    output.follow(read_end, "7f3a", 1)
    os.write(write_end, b"one\n\ntwo\nthr")
    output.finish()
    output.finish()
    os.close(read_end)
    os.close(write_end)
    output.close()
    assert output.tail(2) == ("two", "thr")
    assert output.file.path.read_bytes() == b"one\n\ntwo\nthr"


async def test_memory_stays_bounded(tmp_path):
    output = Output(asyncio.get_running_loop(), "a", LogSpec(tmp_path, 10**7, 1), None)
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    for _ in range(40):
        output.follow(read_end, "7f3a", 1)
        os.write(write_end, b"x" * 60_000 + b"\n")
        output.finish()
    os.close(read_end)
    os.close(write_end)
    output.close()
    assert len(output._ring) <= 2 * RING
    assert len(output.tail(10)) == 2


def incarnation(output: Output, pid: int, *texts: bytes) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    output.follow(read_end, "7f3a", pid)
    for text in texts:
        os.write(write_end, text)
        output._read()
    os.close(write_end)
    output.finish()
    os.close(read_end)


async def test_what_the_last_dead_incarnation_wrote_is_found_over_rotated_files(tmp_path):
    output = Output(asyncio.get_running_loop(), "a", LogSpec(tmp_path, 100, 3), None)
    incarnation(output, 1, b"first\n")
    second = [b"%d%s\n" % (number, b"x" * 38) for number in range(5)]
    incarnation(output, 2, *second)
    output.close()
    parts = logfiles.parts(tmp_path, "a")
    assert [part.path.name for part in parts] == ["a.log.2", "a.log.1", "a.log"]
    assert b"".join(map(logfiles.read, marks.previous(parts))) == b"".join(second)
    whole = b"first\n" + b"".join(second)
    assert b"".join(map(logfiles.read, marks.since(parts, time.time() - 60))) == whole
    assert marks.since(parts, time.time() + 60) == []
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"a.{kind}{number}" for kind in ("log", "marks") for number in ("", ".1", ".2"))
    }
    assert logfiles.parts(tmp_path, "b") == []


async def test_time_is_marked_once_a_second(tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("time.time", lambda: now)
    output = Output(asyncio.get_running_loop(), "a", LogSpec(tmp_path, 10**7, 3), None)
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    output.follow(read_end, "7f3a", 7)
    for moment in (1000.1, 1000.9, 1001.2, 990.0):
        now = moment
        os.write(write_end, b"12345\n")
        output._read()
    output.finish()
    output.close()
    os.close(read_end)
    os.close(write_end)
    assert (tmp_path / "a.marks").read_text().splitlines() == [
        "0 1000.000 start 7f3a 7",
        "0 1000.100 time",
        "12 1001.200 time",
        "18 990.000 time",
        "24 990.000 end",
    ]
