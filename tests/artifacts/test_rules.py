"""The rules through promtool: they parse, each alert fires when it must and is silent else."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ollamon.artifacts import rules
from ollamon.artifacts.alerts import groups
from ollamon.artifacts.recordings import recordings
from ollamon.compat import Compat
from ollamon.config.model import Config
from ollamon.metrics.catalog import CATALOG, hidden

CASES = Path(__file__).parent / "alerts_test.yml"
ALERTS = [alert for group in groups(Config()).values() for alert in group]
LIMITS = {"error_ratio": 0.011, "first_token": "1s", "gpu_temperature": 61.5, "memory": 0.5}
STRICT = Config.model_validate({"alerts": LIMITS})
COMPATS = [Config.model_validate({"metrics": {"compat": compat}}) for compat in Compat]


def promtool(*words: object) -> None:
    program = shutil.which("promtool")
    assert program, "promtool is not installed: see scripts/prepare"
    done = subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "text",
    [
        rules.alerts_yml(Config(), "note"),
        rules.alerts_yml(STRICT, "note"),
        rules.recording_yml(Config(), "note"),
    ],
    ids=["alerts", "alerts with other limits", "recordings"],
)
def test_promtool_accepts_the_rules(text, tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(text)
    promtool("check", "rules", path)


def test_each_alert_fires_when_it_must_and_only_then(tmp_path):
    (tmp_path / "alerts.yml").write_text(rules.alerts_yml(Config(), "note"))
    shutil.copy(CASES, tmp_path)
    promtool("test", "rules", tmp_path / CASES.name)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_each_alert_has_a_case_that_fires_and_one_that_does_not(alert):
    names = re.findall(r"- name: '(.*)'", CASES.read_text())
    assert f"{alert.name} fires" in names
    assert f"{alert.name} stays quiet" in names


def test_an_idle_machine_is_asked_for_any_alert():
    idle = CASES.read_text().partition("- name: 'idle")[2]
    assert """ALERTS{alertstate="firing"}'\n        exp_samples: []""" in idle


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_what_happened_and_where_to_look(alert):
    assert alert.summary.rstrip().endswith(".")
    assert alert.todo.endswith(".")
    named = set(re.findall(r"\$labels\.(\w+)", alert.summary))
    assert named <= set(alert.condition.labels)


def exported(compat: Compat) -> set[str]:
    return {
        name
        for metric in set(CATALOG) - hidden(compat)
        for name in (metric.name, *(f"{metric.name}_{part}" for part in ("bucket", "sum", "count")))
    }


@pytest.mark.parametrize("config", COMPATS, ids=lambda config: config.metrics.compat)
def test_every_name_that_a_rule_reads_is_exported(config):
    compat = config.metrics.compat
    read = set().union(*(each.expression.names for each in recordings(compat)))
    for group in groups(config).values():
        read |= set().union(*(alert.condition.names for alert in group))
    foreign = {name for name in read if name == "up" or name.startswith("prometheus_")}
    assert read - foreign <= exported(compat)
    assert foreign < read


def test_the_limits_are_the_settings():
    text = rules.alerts_yml(STRICT, "note")
    for limit in ("> 0.011", "> 1 ", "> 61.5", "> 0.5"):
        assert limit in text.replace("'", " ")
