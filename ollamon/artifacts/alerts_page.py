"""docs/alerts.md from the alerts, without I/O."""

from ollamon.artifacts.alerts import Alert, groups
from ollamon.artifacts.pages import NOTE, cell
from ollamon.artifacts.prometheus import duration
from ollamon.config.model import Config

HEAD = f"""\
# Alerts

{NOTE}

A Prometheus that ollamon starts has these rules; for another one `ollamon export alerts` prints
them. The limits are keys of `[alerts]`. No traffic is no alert. Rules fire in Prometheus
(`http://127.0.0.1:9090/alerts`); an Alertmanager of yours sends them on.
"""


def page(config: Config) -> str:
    """Return the page."""
    lines = [HEAD]
    for name, alerts in groups(config).items():
        lines += [f"## {name.removeprefix('ollamon_').capitalize()}", ""]
        lines += [
            "| alert | severity | holds for | what it says | look at |",
            "|---|---|---|---|---|",
        ]
        lines += [*map(_row, alerts), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(alert: Alert) -> str:
    hold = duration(alert.hold_s) if alert.hold_s else "at once"
    cells = (f"`{alert.name}`", alert.severity, hold, f"`{alert.summary}`", alert.todo)
    return f"| {' | '.join(map(cell, cells))} |"
