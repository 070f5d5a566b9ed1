"""The vertical slice, with a real Prometheus, a real llama.cpp server and a real browser."""

import math
import re

import pytest

from ollamon.artifacts.alerts import groups
from ollamon.artifacts.recordings import recordings
from ollamon.compat import Compat
from ollamon.config.model import Config
from ollamon.metrics.panels import names_of
from tests.system.conftest import chat
from tests.system.stack import Stack, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

P = "ollama_proxy_"
SEED_QUERIES = {
    "gpu": f"{P}gpu_active_residency_percent",
    "memory": f"{P}memory_usage_bytes / 1024 / 1024",
    "active requests": f"sum({P}active_requests)",
    "request rate": f"rate({P}requests_total[1m])",
    "average latency": f"rate({P}request_duration_seconds_sum[1m]) / "
    f"rate({P}request_duration_seconds_count[1m])",
    "token rate": f"rate({P}generated_tokens_total[1m])",
}
MODES = {"prometheus": "", "embedded": '[prometheus]\nmode = "embedded"'}


def is_settled(stack: Stack) -> bool:
    """One request was counted, and none is in flight."""
    return stack.total(f"{P}requests_total", endpoint="/v1/chat/completions") == 1.0 and (
        stack.total(f"{P}active_requests") == 0
    )


def assert_one_chat_is_counted(stack: Stack) -> None:
    eventually(lambda: is_settled(stack), "one request counted")
    assert stack.total(f"{P}generated_tokens_total") == 38
    assert stack.total(f"{P}time_to_first_token_seconds_count") == 1
    assert stack.total(f"{P}requests_total", method="POST", status="200") == 1
    assert stack.total(f"{P}request_outcomes_total", outcome="ok") == 1


def finite(result: list[dict]) -> list[float]:
    values = [float(series["value"][1]) for series in result]
    return [value for value in values if math.isfinite(value)]


def keep_chatting_until(stack: Stack, look, what: str) -> object:
    """Requests between scrapes, so that rates exist."""

    def step() -> object:
        chat(stack.url("proxy"))
        return look()

    return eventually(step, what)


def panel(stack: Stack, name: str) -> list[float]:
    values = stack.tick()["panels"].get(name, {}).values()
    return [value for value in values if value is not None]


@pytest.fixture(params=MODES)
def mode(request) -> str:
    return request.param


@pytest.fixture
def stack(new_stack, llama_server, mode) -> Stack:
    extra = MODES[mode]
    made = new_stack(llama_server)
    if extra:
        text = made.config.read_text().replace("[prometheus]", extra)
        made.config.write_text(text)
    made.up()
    return made


def test_a_request_is_seen_everywhere(stack, mode, llama_server):
    assert chat(stack.url("proxy")) == chat(llama_server)
    assert_one_chat_is_counted(stack)
    every_name_that_is_read_is_served(stack)
    if mode == "prometheus":
        the_seed_queries_answer(stack)
        the_rules_work(stack)
    the_dashboard_agrees(stack, mode)
    stack.run("down")
    stack.assert_gone()


def every_name_that_is_read_is_served(stack: Stack) -> None:
    served = set(re.findall(r"^# TYPE (\S+)", stack.metrics(), re.MULTILINE))
    alerts = [alert for group in groups(Config()).values() for alert in group]
    read = names_of().union(*(alert.condition.names for alert in alerts))
    read = read.union(*(recording.expression.names for recording in recordings(Compat.BOTH)))
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in read}
    assert {name for name in families - served if not name.startswith("prometheus_")} == {"up"}


def the_rules_work(stack: Stack) -> None:
    """They are loaded, and Prometheus finds an answer to each without an error."""
    rules = stack.rules()
    assert len(rules) == len(recordings(Compat.BOTH)) + sum(map(len, groups(Config()).values()))
    for rule in rules:
        stack.query(rule["query"])


def the_seed_queries_answer(stack: Stack) -> None:
    def unanswered() -> list[str]:
        return [name for name, query in SEED_QUERIES.items() if not finite(stack.query(query))]

    keep_chatting_until(stack, lambda: unanswered() == ["gpu"] or None, "five queries answer")
    assert stack.query(SEED_QUERIES["gpu"]) == []


def the_dashboard_agrees(stack: Stack, mode: str) -> None:
    keep_chatting_until(
        stack,
        lambda: panel(stack, "token_rate") and panel(stack, "ttft") and panel(stack, "memory"),
        "the dashboard shows rates",
    )
    tick = stack.tick()
    assert tick["source"] == mode
    assert tick["status"]["kind"] in ("live", "not_ollama")
    assert tick["panels"]["gpu"] == {}
    assert sum(panel(stack, "token_rate")) > 0
