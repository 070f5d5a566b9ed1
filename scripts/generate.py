"""Which files are generated, and from what; called by scripts/generate."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from ollamon.artifacts import alerts_page, grafana, pages, rules
from ollamon.artifacts.prometheus import prometheus_yml
from ollamon.cli import checks, shapes_page
from ollamon.cli.checks import page as findings
from ollamon.cli.root import root
from ollamon.config.model import Config
from ollamon.dashboard import openapi
from ollamon.supervisor.lifecycle import page as lifecycle

ROOT = Path(__file__).parent.parent
MINIMA_HEAD = """\
\"\"\"Minimum versions with a security reason, without I/O.

Generated from pyproject.toml by scripts/generate.
\"\"\"
"""
BY_SCRIPT = "Generated from the default configuration by scripts/generate."


def files() -> dict[str, str]:
    """Path from the root -> text."""
    return {
        "prometheus.yml": prometheus_yml(Config(), BY_SCRIPT),
        "docs/configuration.md": pages.configuration(),
        "docs/ollamon.schema.json": pages.schema(),
        "docs/metrics.md": pages.metrics(),
        "docs/alerts.md": alerts_page.page(Config()),
        "docs/alerts.yml": rules.alerts_yml(Config(), BY_SCRIPT),
        "docs/recording.yml": rules.recording_yml(Config(), BY_SCRIPT),
        "docs/grafana.json": grafana.dashboard(Config()),
        "docs/provisioning/datasources.yml": grafana.datasources(Config()),
        "docs/provisioning/dashboards.yml": grafana.providers(),
        "docs/openapi.json": openapi.document(),
        "docs/lifecycle.md": lifecycle.page(),
        "docs/doctor.md": findings.page(checks.kinds()),
        "ollamon/cli/checks/minima.py": minima((ROOT / "pyproject.toml").read_text()),
        "docs/cli.md": pages.commands(help_pages(root, "ollamon"), shapes_page.common_lines()),
    }


def minima(pyproject: str) -> str:
    """The minimum versions that stand in pyproject.toml with a security reason."""
    found = re.findall(r'"([a-z0-9-]+)>=([\d.]+)",\s*# security: (.+)', pyproject)
    lines = [f'    "{name}": ("{version}", "{reason}"),' for name, version, reason in found]
    return "\n".join([MINIMA_HEAD, "MINIMA = {", *lines, "}", ""])


def help_pages(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Every command with its `--help` and what it prints."""
    # A pinned width, or the terminal's would be in the file.
    with click.Context(command, info_name=name.split()[-1], parent=parent, **SETTINGS) as context:
        is_group = isinstance(command, click.Group)
        shape = () if is_group else shapes_page.lines_for(name.partition(" ")[2])
        yield name, command.get_help(context), shape
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                if found is not None:
                    yield from help_pages(found, f"{name} {inner}", context)


SETTINGS = {"terminal_width": 80, "max_content_width": 80, "help_option_names": ["-h", "--help"]}


def main(folder: Path, *, is_check: bool) -> int:
    """Write or compare; return the exit code."""
    stale = []
    for name, text in files().items():
        path = folder / name
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(name)
        if not is_check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        print(f"{name}: {'differs; run scripts/generate' if is_check else 'written'}")
    return 1 if stale and is_check else 0


if __name__ == "__main__":
    sys.exit(main(ROOT, is_check="--check" in sys.argv[1:]))
