"""Alert and recording rules as Prometheus reads them, without I/O."""

from collections.abc import Iterator

from ollamon.artifacts.alerts import Alert, groups
from ollamon.artifacts.prometheus import duration, quoted
from ollamon.artifacts.recordings import recordings
from ollamon.config.model import Config


def alerts_yml(config: Config, note: str) -> str:
    """Return the alert rules; `note` is the first line, without the comment sign."""
    lines = [f"# {note}", "groups:"]
    for name, alerts in groups(config).items():
        lines += [f"  - name: {name}", "    rules:"]
        for alert in alerts:
            lines += _alert(alert)
    return "\n".join(lines) + "\n"


def recording_yml(config: Config, note: str) -> str:
    """Return the recording rules; `note` is the first line, without the comment sign."""
    lines = [f"# {note}", "groups:", "  - name: ollamon_recordings", "    rules:"]
    for recording in recordings(config.metrics.compat):
        lines.append(f"      - record: {recording.name}")
        lines.append(f"        expr: {quoted(recording.expression.promql())}")
    return "\n".join(lines) + "\n"


def _alert(alert: Alert) -> Iterator[str]:
    yield f"      - alert: {alert.name}"
    yield f"        expr: {quoted(alert.condition.promql())}"
    if alert.hold_s:
        yield f"        for: {duration(alert.hold_s)}"
    yield f"        labels: {{severity: {alert.severity}}}"
    yield "        annotations:"
    yield f"          summary: {quoted(alert.summary)}"
    yield f"          description: {quoted(alert.todo)}"
