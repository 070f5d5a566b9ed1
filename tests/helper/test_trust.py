"""What somebody who is not root could change; files of other owners are made where we are root."""

import os
import stat
import sys
from pathlib import Path

import pytest

from ollamon.helper import trust


@pytest.fixture
def tree(tmp_path):
    file = tmp_path / "lib" / "deep" / "module.py"
    file.parent.mkdir(parents=True)
    file.write_text("")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755)
    return tmp_path


@pytest.fixture
def found(tree):
    """The search, for which all that lies elsewhere, and whoever runs the tests, is root's."""

    def lstat(path):
        facts = os.lstat(path)
        is_inside = path.is_relative_to(tree)
        mode = facts.st_mode if is_inside else facts.st_mode & ~0o022
        owner = facts.st_uid if is_inside and facts.st_uid != os.geteuid() else 0
        return os.stat_result((mode, *facts[1:4], owner, *facts[5:10]))

    return lambda *paths: trust.changeable(paths, lstat)


def test_what_only_root_can_change_is_trusted(tree, found):
    assert found(tree / "lib", tree / "missing") is None


@pytest.mark.parametrize("where", ["", "lib", "lib/deep", "lib/deep/module.py"])
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_one_file_or_folder_above_or_below_is_enough(tree, found, where, mode):
    (tree / where).chmod(mode)
    assert found(tree / "lib") == tree / where


def test_where_a_link_leads_is_looked_at_too(tree, found):
    (tree / "other").mkdir(mode=0o755)
    program = tree / "other" / "python"
    program.write_text("")
    program.chmod(0o777)
    link = tree / "python"
    link.symlink_to(program)
    # The mode of the link itself means nothing.
    assert stat.S_IMODE(link.lstat().st_mode) & 0o022
    assert found(link) == program
    program.chmod(0o755)
    assert found(link) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_can_change_what_the_mode_forbids(tree, found):
    module = tree / "lib" / "deep" / "module.py"
    module.chmod(0o444)
    os.chown(module, 4711, 0)
    assert found(tree / "lib") == module


def test_our_own_files_are_python_its_libraries_and_this_package():
    files = trust.own_files()
    assert Path(sys.executable) in files
    assert Path(trust.__file__).parents[1] in files
    assert Path(os.__file__).parent in files
    assert Path(pytest.__file__).parents[1] in files
