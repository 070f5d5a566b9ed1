import sqlite3
from pathlib import Path

import pytest

from ollamon.dashboard.history.file import RETRY_S, HistoryFile, connect, connect_to_read
from ollamon.errors import HistoryError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def create(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS numbers (n INTEGER, filler BLOB)")


def put(number: int, size: int = 0):
    return lambda connection: connection.execute(
        "INSERT INTO numbers VALUES (?, zeroblob(?))", (number, size)
    )


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT n FROM numbers ORDER BY n")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "history.sqlite3"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(path, clock):
    made = HistoryFile(path, create, clock=clock)
    yield made
    made.close()


def modes(path: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}


def test_all_of_it_is_for_its_owner_alone(file, path):
    file.write(put(1))
    name = path.name
    assert modes(path) == {name: 0o600, f"{name}-wal": 0o600, f"{name}-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(file, path):
    path.parent.mkdir()
    path.touch(0o644)
    file.write(put(1))
    assert modes(path)[path.name] == 0o600


def test_what_was_written_is_there_after_a_restart(file, path):
    file.write(put(1))
    file.close()
    again = HistoryFile(path, create)
    again.write(put(2))
    assert again.read(numbers) == [1, 2]
    again.close()
    assert list(modes(path)) == [path.name]


def test_a_reader_beside_the_writer_sees_what_is_complete(file, path):
    file.write(put(1))
    reader = connect_to_read(path)
    assert numbers(reader) == [1]
    file.write(put(2))
    assert numbers(reader) == [1, 2]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        put(3)(reader)
    reader.close()


def test_a_transaction_is_all_or_nothing(file):
    def half(connection: sqlite3.Connection) -> None:
        put(1)(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        file.write(half)
    assert file.read(numbers) == []
    file.write(put(2))
    assert file.read(numbers) == [2]


def test_a_full_disk_is_said_and_tried_again_and_what_is_there_can_be_read(file, clock):
    file.write(put(1))

    def fill(connection: sqlite3.Connection) -> None:
        # SQLite's own limit ends like a disk without room: SQLITE_FULL.
        connection.execute("PRAGMA max_page_count = 4")
        put(2, 1_000_000)(connection)

    with pytest.raises(HistoryError, match="disk is full"):
        file.write(fill)
    assert "disk is full" in file.error
    assert file.read(numbers) == [1]
    clock.now = RETRY_S - 1
    with pytest.raises(HistoryError, match="disk is full"):
        file.write(put(3))
    assert file.read(numbers) == [1]
    clock.now = RETRY_S
    file.write(lambda connection: connection.execute("PRAGMA max_page_count = 100000"))
    file.write(put(4))
    assert (file.error, file.read(numbers)) == ("", [1, 4])


def test_a_folder_that_is_none_is_said(path):
    path.parent.touch()
    file = HistoryFile(path, create)
    with pytest.raises(HistoryError, match="file exists"):
        file.write(put(1))
    assert file.error == f"cannot use {path}: file exists"


@pytest.mark.parametrize("damage", ["text", "middle", "cut"])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begins(file, path, damage):
    for number in range(200):
        file.write(put(number, 500))
    file.close()
    content = path.read_bytes()
    broken = {
        "text": b"no database, whatever its name says" * 400,
        "middle": content[:4096] + b"\xff" * 8192 + content[12288:],
        "cut": content[: len(content) // 2],
    }[damage]
    path.write_bytes(broken)
    with pytest.raises(HistoryError, match="is damaged"):
        file.write(put(1))
    assert file.moved == f"{path}.broken"
    assert Path(file.moved).read_bytes()[4096:] == broken[4096:]
    file.write(put(2))
    assert (file.read(numbers), file.error) == ([2], "")


def test_a_second_damaged_file_takes_the_place_of_the_first(file, path):
    for _ in range(2):
        file.close()
        connect(path).close()
        path.write_bytes(b"x" * 5000)
        with pytest.raises(HistoryError, match="is damaged"):
            file.write(put(1))
        file.write(put(2))
    assert sorted(each for each in modes(path) if "broken" in each) == [f"{path.name}.broken"]


def test_without_a_path_nothing_is_kept():
    file = HistoryFile(None, create)
    with pytest.raises(HistoryError, match="no history is kept"):
        file.write(put(1))
    with pytest.raises(HistoryError, match="no history is kept"):
        file.read(numbers)
    assert (file.error, file.moved) == ("", "")
