import re
import shutil
import subprocess

import pytest

from ollamon.artifacts.prometheus import KEPT, duration, prometheus_yml, target
from ollamon.config.model import Config
from ollamon.config.values import Address
from ollamon.metrics.catalog import CATALOG, Counter, Histogram
from ollamon.proxy.labels import most_models

CONFIGS = {
    "defaults": {},
    "half a second": {"prometheus": {"scrape_interval": "500ms"}},
    "odd": {"prometheus": {"scrape_interval": "1.5s"}},
    "too fine": {"prometheus": {"scrape_interval": "0.4ms"}},
    "weekly": {"prometheus": {"scrape_interval": "1w"}},
    "IPv6": {"proxy": {"metrics_listen": "[::1]:8001"}},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_promtool_accepts_the_file(name, tmp_path):
    path = tmp_path / "prometheus.yml"
    path.write_text(prometheus_yml(Config.model_validate(CONFIGS[name]), "note"))
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not installed: see scripts/prepare"
    done = subprocess.run(
        [promtool, "check", "config", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_job_is_the_one_that_dashboards_know():
    text = prometheus_yml(Config(), "Made for a test.")
    assert text == (
        "# Made for a test.\n"
        "global:\n"
        "  scrape_interval: 5s\n"
        "\n"
        "scrape_configs:\n"
        "  - job_name: 'ollama_proxy'\n"
        "    sample_limit: 20000\n"
        "    label_limit: 20\n"
        "    label_value_length_limit: 200\n"
        "    body_size_limit: 5MB\n"
        "    static_configs:\n"
        "      - targets: ['localhost:8001']\n"
        "    metric_relabel_configs:\n"
        "      - source_labels: [__name__]\n"
        "        regex: 'ollama_proxy_.*|ollama_.*|ollamon_.*|process_.*'\n"
        "        action: keep\n"
    )


def test_the_limits_have_room_for_every_model_that_may_have_series():
    for models, (samples, size) in {50: (20_000, 5), 51: (40_000, 10), 200: (80_000, 20)}.items():
        text = prometheus_yml(Config.model_validate({"metrics": {"max_models": models}}), "note")
        assert f"    sample_limit: {samples}\n" in text
        assert f"    body_size_limit: {size}MB\n" in text
        assert samples > 300 * most_models(models)


def test_the_keep_rule_loses_no_metric_of_ours():
    for metric in CATALOG:
        endings = ("_bucket", "_sum", "_count") if isinstance(metric, Histogram) else ("",)
        assert all(re.fullmatch(KEPT, metric.name + ending) for ending in endings)
    assert any(isinstance(metric, Counter) for metric in CATALOG)
    assert not re.fullmatch(KEPT, "go_goroutines")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address("127.0.0.1", 8001), "localhost:8001"),
        (Address("127.0.0.2", 8001), "127.0.0.2:8001"),
        (Address("::1", 8001), "[::1]:8001"),
    ],
)
def test_a_target_is_named_as_the_seed_names_it(address, text):
    assert target(address) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5s"), (0.5, "500ms"), (1.5, "1500ms"), (0.0004, "1ms"), (90, "90s")]
)
def test_prometheus_reads_whole_numbers_only(seconds, text):
    assert duration(seconds) == text
