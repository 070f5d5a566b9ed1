"""How findings look, 80 and 120 columns wide, with colours and without."""

from ollamon.cli.checks import ollama, ports
from ollamon.cli.checks.finding import MARKS, fine
from ollamon.cli.words import Style

FINDINGS = (
    fine("config", "~/.config/ollamon/ollamon.toml"),
    ports.MACMON.found(
        "127.0.0.1:9090 is in use by pid 2211 macmon, wanted by prometheus",
        "kill 2211 && macmon serve --port 9095",
    ),
    ollama.EXPOSED.found(
        "it listens on 0.0.0.0:11434, beyond this machine, and whoever reaches it can use it",
        "sudo systemctl edit ollama.service  # Environment=OLLAMA_HOST=127.0.0.1",
    ),
)
NARROW = """\
 ✓ config       ~/.config/ollamon/ollamon.toml
 ✗ ports        127.0.0.1:9090 is in use by pid 2211 macmon, wanted by
                prometheus
                → kill 2211 && macmon serve --port 9095
 ! ollama       it listens on 0.0.0.0:11434, beyond this machine, and whoever
                reaches it can use it
                → sudo systemctl edit ollama.service  # Environment=OLLAMA_HOST=127.0.0.1
"""
WIDE = """\
 ✓ config       ~/.config/ollamon/ollamon.toml
 ✗ ports        127.0.0.1:9090 is in use by pid 2211 macmon, wanted by prometheus
                → kill 2211 && macmon serve --port 9095
 ! ollama       it listens on 0.0.0.0:11434, beyond this machine, and whoever reaches it can use it
                → sudo systemctl edit ollama.service  # Environment=OLLAMA_HOST=127.0.0.1
"""


def shown(style: Style) -> str:
    lines = [
        line
        for each in FINDINGS
        for line in style.row(MARKS[each.severity], each.check, each.evidence, each.fix)
    ]
    return "\n".join(lines) + "\n"


def test_findings_are_wrapped_and_commands_are_not():
    assert shown(Style(width=80)) == NARROW
    assert shown(Style(width=120)) == WIDE


def test_only_the_marks_have_colours():
    text = shown(Style(is_coloured=True, width=80))
    for code, mark in (("32", "✓"), ("31", "✗"), ("33", "!")):
        assert f" \x1b[{code}m{mark}\x1b[0m " in text
        text = text.replace(f"\x1b[{code}m{mark}\x1b[0m", mark)
    assert text == NARROW
