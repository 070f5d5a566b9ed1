import json
import shutil
import subprocess

import pytest

from ollamon.artifacts.exports import EXPORTS
from ollamon.cli.export import WHAT


def test_every_export_is_offered():
    assert list(WHAT) == list(EXPORTS)


@pytest.mark.parametrize("what", WHAT)
def test_a_file_is_printed_and_written(invoke, home, what):
    code, out, _ = invoke("export", what)
    assert code == 0
    assert invoke("export", what, "-o", "made") == (0, "Wrote made.\n", "")
    assert (home / "made").read_text() == out
    code, answer, _ = invoke("export", what, "--json")
    assert json.loads(answer)["text"] == out
    assert [path.name for path in home.iterdir() if path.name.endswith(".part")] == []


def test_the_limits_of_the_configuration_are_in_the_rules(invoke, home):
    (home / "a.toml").write_text('[alerts]\nfirst_token = "7s"\n')
    code, out, _ = invoke("-c", "a.toml", "export", "alerts")
    assert code == 0
    assert "> 7 and" in out


def test_promtool_loads_the_rules_that_a_managed_prometheus_gets(invoke, home):
    for what in ("alerts", "recording"):
        invoke("export", what, "-o", f"{what}.yml")
    invoke("export", "prometheus", "-o", "prometheus.yml")
    text = (home / "prometheus.yml").read_text()
    (home / "prometheus.yml").write_text(
        text.replace("scrape_configs", "rule_files: [alerts.yml, recording.yml]\n\nscrape_configs")
    )
    program = shutil.which("promtool")
    assert program, "promtool is not installed: see scripts/prepare"
    done = subprocess.run([program, "check", "config", home / "prometheus.yml"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["export"], 2, "Missing argument"),
        (["export", "cheese"], 2, "is not one of"),
        (["export", "alerts", "-o", "no/where"], 1, "cannot write no/where: no such file"),
    ],
)
def test_what_cannot_be_done_is_said(invoke, words, code, message):
    done, _, err = invoke(*words)
    assert done == code
    assert message in err
