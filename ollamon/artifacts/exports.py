"""What `ollamon export` can print, without I/O."""

from collections.abc import Callable, Mapping

from ollamon.artifacts import grafana, pages, rules
from ollamon.artifacts.prometheus import prometheus_yml
from ollamon.config.model import Config

NOTE = "Made by `ollamon export`."

EXPORTS: Mapping[str, Callable[[Config], str]] = {
    "prometheus": lambda config: prometheus_yml(config, NOTE),
    "alerts": lambda config: rules.alerts_yml(config, NOTE),
    "recording": lambda config: rules.recording_yml(config, NOTE),
    "grafana": grafana.dashboard,
    "grafana-datasource": grafana.datasources,
    "grafana-provider": lambda _: grafana.providers(),
    "schema": lambda _: pages.schema(),
}
"""Name of each -> its text."""
