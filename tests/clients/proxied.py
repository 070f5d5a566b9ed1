"""The real proxy process in front of an upstream, and its numbers as Prometheus would read them."""

import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.children import Child

PATIENCE_S = 30.0
P = "ollama_proxy_"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def section(child: Child, upstream: str, **options: object) -> dict[str, object]:
    """What a supervisor would hand over; options are those of the proxy."""
    return {
        "ollama": {"url": upstream},
        "proxy": {
            "listen": child.address("listen"),
            "metrics_listen": child.address("metrics_listen"),
            "drain_timeout": "1s",
            **options,
        },
        "metrics": {},
        "helper": {},
        "demo": {},
    }


def eventually(look: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Look until it is so: what ends an exchange may reach the numbers after the client."""
    deadline = time.monotonic() + patience_s
    while not look():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience_s} s: {what}")
        time.sleep(0.05)


@dataclass
class Proxied:
    """A running proxy."""

    child: Child

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.child.urls["listen"]

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        url = self.child.urls["metrics_listen"] + "/metrics"
        with OPENER.open(url, timeout=20) as answer:
            text = answer.read().decode()
        return [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series of ollama_proxy_NAME with these labels; 0 when there is none."""
        return sum(
            value
            for found, its, value in self.samples()
            if found == P + name and labels.items() <= its.items()
        )

    def await_ended(self, count: int, **labels: str) -> None:
        """Wait until `count` requests are counted and none is in flight."""

        def is_so() -> bool:
            ended = self.total("requests_total", **labels)
            return ended == count and self.total("active_requests") == 0

        try:
            eventually(is_so, f"{count} requests of {labels} counted, none active")
        except AssertionError as error:
            seen = [entry for entry in self.samples() if "requests" in entry[0]]
            raise AssertionError(f"{error}: {seen}") from None
