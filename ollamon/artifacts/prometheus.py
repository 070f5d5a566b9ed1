"""prometheus.yml from the configuration, without I/O."""

import math
from collections.abc import Sequence

from ollamon.config.model import Config
from ollamon.config.values import Address, format_duration

JOB = "ollama_proxy"
KEPT = "ollama_proxy_.*|ollama_.*|ollamon_.*|process_.*"
# A model may have some 300 series; one that passes a limit would cost the whole scrape.
_MODELS_PER_LIMIT = 50


def prometheus_yml(config: Config, note: str, rule_files: Sequence[str] = ()) -> str:
    """Return the file; `note` is its first line, without the comment sign."""
    # Above the exporter's own caps, so that only a defect reaches them.
    room = math.ceil(config.metrics.max_models / _MODELS_PER_LIMIT)
    rules = "".join(f"  - {quoted(path)}\n" for path in rule_files)
    loaded = f"\nrule_files:\n{rules}" if rules else ""
    return f"""\
# {note}
global:
  scrape_interval: {duration(config.prometheus.scrape_interval)}
{loaded}
scrape_configs:
  - job_name: '{JOB}'
    sample_limit: {20_000 * room}
    label_limit: 20
    label_value_length_limit: 200
    body_size_limit: {5 * room}MB
    static_configs:
      - targets: ['{target(config.proxy.metrics_listen)}']
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: '{KEPT}'
        action: keep
"""


def target(address: Address) -> str:
    """Return an address as a scrape target; the `instance` of all its series."""
    return str(address._replace(host="localhost") if address.host == "127.0.0.1" else address)


def quoted(text: str) -> str:
    """Return a YAML scalar in which nothing but the quote itself is special."""
    return "'" + text.replace("'", "''") + "'"


def duration(seconds: float) -> str:
    """Write seconds as Prometheus reads them: whole numbers, at least 1 ms."""
    return format_duration(max(1, round(seconds * 1000)) / 1000)
