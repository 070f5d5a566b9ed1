import pytest

from ollamon.supervisor import runfile
from ollamon.supervisor.runfile import ChildEntry, Run

RUN = Run(
    "1", "ab", "boot", 5, 1.0, "f", "d", (ChildEntry("a", "ready", 1.0, 2, 7, 7, 3.0, (80,)),)
)


def test_a_run_is_read_as_it_was_written(tmp_path):
    runfile.write(tmp_path, RUN)
    assert runfile.read(tmp_path) == RUN
    runfile.remove(tmp_path)
    runfile.remove(tmp_path)
    assert runfile.read(tmp_path) is None


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "made" / "file"
    runfile.write_atomically(path, "one")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UnicodeEncodeError):
        runfile.write_atomically(path, "\udc80")
    assert path.read_text() == "one"
    assert [each.name for each in path.parent.iterdir()] == ["file"]
