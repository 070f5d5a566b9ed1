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
    assert findings[0].severity is Severity.PROBLEM
    assert findings[0].evidence == f"state: {tmp_path}/s is no folder"
    assert findings[0].fix == f"mv {tmp_path}/s {tmp_path}/s.old"


def test_a_folder_that_may_not_be_written_is_a_problem(world, tmp_path, monkeypatch):
    (tmp_path / "d").mkdir(mode=0o500)
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, _: bool(path.stat().st_mode & stat.S_IWUSR))
    finding = one(directories.check(world()))
    assert finding.severity is Severity.PROBLEM
    assert finding.evidence == f"data: {tmp_path}/d is not writable"
    assert "chown" in finding.fix


def test_a_full_disk_is_a_warning(world, monkeypatch):
    monkeypatch.setattr(directories, "MIN_FREE", 2**60)
    findings = {finding.severity for finding in directories.check(world())}
    assert findings == {Severity.WARN, Severity.OK}
