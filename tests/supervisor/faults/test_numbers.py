"""Every fault has a test, and no test names a fault that is none."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.supervisor.faults.numbers import FAULTS, SUDO

TESTS = Path(__file__).parents[2]
WITH_SUDO = Path(__file__).with_name("sudo")


def numbers_of(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if ast.unparse(mark).startswith("pytest.mark.fault("):
                    yield from _arguments(mark)


def _arguments(mark: ast.expr) -> Iterator[int]:
    assert isinstance(mark, ast.Call)
    yield from (ast.literal_eval(argument) for argument in mark.args)


def marked() -> dict[int, set[Path]]:
    found: dict[int, set[Path]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for number in numbers_of(path):
            found[number].add(path)
    return found


def test_every_fault_has_a_test():
    found = marked()
    assert sorted(set(FAULTS) - set(found)) == []
    assert sorted(set(found) - set(FAULTS)) == []


def test_what_needs_sudo_stays_in_one_folder():
    found = marked()
    assert {path.parent for number in SUDO for path in found[number]} == {WITH_SUDO}
