"""What starts ollamon with a session: a systemd user unit and a launchd agent, without I/O."""

import plistlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from ollamon.config.model import Config, HelperMode

MARK = "Made by `ollamon service install`; changes here are lost at the next one."
# Beyond what the supervisor itself allows: its last SIGKILLs, strays and the guard.
MARGIN_S = 15
WATCHDOG_S = 30
PAUSE_S = 5
# Wrong arguments, another stack, a missing program, a wrong file: a second try mends none of them.
HOPELESS = (2, 4, 7, 78)


@dataclass(frozen=True, slots=True)
class Start:
    """What is started.

    Attributes:
        argv: Of `ollamon up`; the first word is an absolute path.
        reload: Of `ollamon reload`, likewise.
        environment: Variables that a session of its own would not have.
        log: Where launchd puts what is written.
    """

    argv: Sequence[str]
    reload: Sequence[str]
    environment: Mapping[str, str]
    log: str


def systemd(config: Config, start: Start) -> str:
    """Return the text of a systemd user unit.

    Raises:
        ValueError: A word cannot stand in a unit.
    """
    supervisor = config.supervisor
    # The helper may use sudo, which that flag forbids.
    may_gain = config.helper.mode is HelperMode.ON
    lines = [
        f"# {MARK}",
        "[Unit]",
        f"Description=ollamon ({config.name}): proxy, metrics and dashboard for Ollama",
        "",
        "[Service]",
        "Type=notify",
        f"ExecStart={' '.join(map(_word, start.argv))}",
        f"ExecReload={' '.join(map(_word, start.reload))}",
        *(f"Environment={_quoted(f'{key}={text}')}" for key, text in start.environment.items()),
        "KillMode=mixed",
        f"TimeoutStartSec={ceil(supervisor.start_timeout) + MARGIN_S}",
        f"TimeoutStopSec={ceil(supervisor.shutdown_timeout) + MARGIN_S}",
        f"WatchdogSec={WATCHDOG_S}",
        "Restart=on-failure",
        f"RestartSec={PAUSE_S}",
        f"RestartPreventExitStatus={' '.join(map(str, HOPELESS))}",
        f"NoNewPrivileges={'no' if may_gain else 'yes'}",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def launchd(config: Config, start: Start, label: str) -> str:
    """Return the text of a launchd agent's property list."""
    agent = {
        "Label": label,
        "ProgramArguments": list(start.argv),
        "EnvironmentVariables": dict(start.environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": ceil(config.supervisor.shutdown_timeout) + MARGIN_S,
        # The proxy stands in the way of every request: no background priority.
        "ProcessType": "Interactive",
        "StandardOutPath": start.log,
        "StandardErrorPath": start.log,
    }
    text = plistlib.dumps(agent, sort_keys=False).decode()
    head, begin, rest = text.partition("<plist")
    return f"{head}<!-- {MARK} -->\n{begin}{rest}"


def _word(text: str) -> str:
    """One argument of ExecStart, where `$` begins a variable too."""
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    """One word. systemd.unit(5): `%` begins a specifier; systemd.syntax(7): C escapes."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError(f"cannot write {text!r} into a unit: it has a control character")
    escaped = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
