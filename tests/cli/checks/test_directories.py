import os
import stat

from ollamon.cli.checks import directories
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one


def test_folders_that_do_not_exist_yet_are_fine(world, tmp_path):
    assert one(directories.check(world())).severity is Severity.OK
    assert not (tmp_path / "s").exists()


def test_a_file_in_the_place_of_a_folder_is_a_problem(world, tmp_path):
    (tmp_path / "s").touch()
    findings = list(directories.check(world()))
    assert findings[0].id == "directories-no-folder"
    assert findings[0].evidence == f"state: {tmp_path}/s is no folder"
    assert findings[0].fix == f"mv {tmp_path}/s {tmp_path}/s.old"


def test_a_folder_that_may_not_be_written_is_a_problem(world, tmp_path, monkeypatch):
    (tmp_path / "d").mkdir(mode=0o500)
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, _: bool(path.stat().st_mode & stat.S_IWUSR))
    finding = one(directories.check(world()))
    assert finding.id == "directories-read-only"
    assert finding.evidence == f"data: {tmp_path}/d is not writable"
    assert "chown" in finding.fix


def test_a_full_disk_is_a_warning(world, monkeypatch):
    monkeypatch.setattr(directories, "MIN_FREE_BYTES", 2**60)
    full, fine = directories.check(world())
    assert (full.id, fine.severity) == ("directories-full", Severity.OK)


def test_what_others_can_read_is_closed_and_nothing_else(world, tmp_path):
    logs = tmp_path / "s/logs"
    logs.mkdir(parents=True)
    for name in ("proxy.log", "proxy.log.1", "mine.txt"):
        (logs / name).touch(0o644)
        (logs / name).chmod(0o644)
    (logs / "link.log").symlink_to(logs / "mine.txt")
    finding, _ = directories.check(world())
    assert finding.id == "directories-open"
    assert finding.repair is not None
    assert "proxy.log, " in finding.repair.do()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in logs.iterdir()}
    assert modes == {"proxy.log": 0o600, "proxy.log.1": 0o600, "mine.txt": 0o644, "link.log": 0o644}
    assert one(directories.check(world())).severity is Severity.OK
