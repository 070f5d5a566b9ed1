"""The layout keeps its promises. Layers themselves are checked by import-linter."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ollamon"
MODULES = sorted(PACKAGE.rglob("*.py"))
IO_MODULES = {
    *("asyncio", "socket", "subprocess", "threading", "time", "os", "sqlite3", "selectors"),
    *("psutil", "prometheus_client", "aiohttp", "flask", "flask_socketio", "gevent", "requests"),
    *("urllib.request", "http.client", "uvloop"),
}
PURE = {
    "access",
    "readings",
    *(
        f"config.{name}"
        for name in ("model", "values", "layers", "checks", "positions", "wording", "section")
    ),
    *(f"metrics.{name}" for name in ("catalog", "expressions", "panels", "served", "series")),
    *(f"proxy.{name}" for name in ("http1", "framing", "routes", "replies", "events", "tap")),
    *(f"proxy.{name}" for name in ("labels", "lines", "reader", "outcome", "observation")),
    *(f"proxy.{name}" for name in ("records", "upstream_state", "traces", "prompts")),
    *(f"proxy.{name}" for name in ("attribution", "energy", "idle", "intervals", "sharing")),
    *(f"proxy.dialects.{name}" for name in ("ollama", "openai", "anthropic", "fragments")),
    *(f"dashboard.{name}" for name in ("view", "status")),
    *("cli.redaction", "cli.checks.finding", "cli.checks.hidden", "cli.checks.holes"),
    *(f"supervisor.{name}" for name in ("spec", "lifecycle", "order", "messages", "verdict")),
    *(f"supervisor.{name}" for name in ("marks", "changes", "wire", "subset")),
}
TOP_LEVEL = {
    *("pyproject.toml", "ollamon", "tests", "scripts", "prometheus.yml", "docs"),
    *("CHANGELOG.md", "README.md", "LICENSE"),
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def doc_of(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def is_pure(path: Path) -> bool:
    """Its docstring says so, in its first paragraph."""
    return "without I/O" in " ".join(doc_of(path).partition("\n\n")[0].split())


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for(path):
    assert re.search(r"[.?)]$|\.\s", doc_of(path).partition("\n\n")[0].strip())


@pytest.mark.parametrize("path", [path for path in MODULES if is_pure(path)], ids=name_of)
def test_a_module_that_says_without_io_does_none(path):
    imported = imports_of(path)
    roots = {name.partition(".")[0] for name in imported}
    assert not (imported | roots) & IO_MODULES


def test_what_decides_is_pure():
    assert sorted(PURE - {name_of(path) for path in MODULES if is_pure(path)}) == []


def folder_of(name: str) -> str:
    return name.rpartition(".")[0]


def test_every_module_is_tested_or_part_of_one_that_is():
    """A test imports it, or a tested module of its own folder does."""
    # What starts a process is tested as a process.
    modules = {
        f"ollamon.{name_of(path)}": imports_of(path)
        for path in MODULES
        if path.name not in ("__init__.py", "__main__.py")
    }
    tested = set().union(*(imports_of(path) for path in (ROOT / "tests").rglob("*.py")))
    for _ in range(3):
        parts = {
            (folder_of(name), part) for name in tested & set(modules) for part in modules[name]
        }
        tested |= {part for folder, part in parts if folder_of(part) == folder}
    assert sorted(set(modules) - tested) == []


def test_functions_are_small():
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 11
    assert lengths[len(lengths) * 9 // 10] <= 40


def test_the_top_level_is_what_was_agreed():
    names = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


def test_no_file_names_the_machine_it_was_written_on():
    forbidden = ("/work" + "/", "/root" + "/", "/home" + "/")
    guilty = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in (".py", ".md", ".toml", ".mjs", ".js", ".json", ".txt", ".yml", "")
        and path.is_file()
        and any(word in path.read_text(errors="replace") for word in forbidden)
    ]
    assert guilty == []
