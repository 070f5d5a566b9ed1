"""Both real clients, through the real proxy, to the demo; and the demo's own traffic."""

from collections.abc import Iterator

import ollama
import openai
import pytest

from tests.clients import proxied
from tests.clients.proxied import Proxied, eventually

HI = [{"role": "user", "content": "hi"}]
LLAMA = "llama3.2:3b"


@pytest.fixture
def demo(start_child) -> str:
    """A demo whose users find no proxy, so that the test's requests are the only ones."""

    def section(child) -> dict:
        return {
            "demo": {"enabled": True, "listen": child.address("listen")},
            "proxy": {"listen": "127.0.0.1:9"},
        }

    return start_child("demo", section, "listen").urls["listen"]


@pytest.fixture
def proxy(proxy_for, demo) -> Proxied:
    return proxy_for(demo)


@pytest.fixture
def ollama_client(proxy) -> Iterator[ollama.Client]:
    with ollama.Client(host=proxy.url, trust_env=False) as client:
        yield client


def test_the_ollama_client_finds_everything(proxy, ollama_client):
    assert LLAMA in [model.model for model in ollama_client.list().models]
    assert ollama_client.show("qwen3:8b").details.parameter_size == "8.2B"
    stream = ollama_client.chat(LLAMA, HI, stream=True, options={"num_predict": 5})
    *pieces, last = list(stream)
    assert last.eval_count == 5
    assert "".join(piece.message.content for piece in pieces).strip()
    whole = ollama_client.generate(LLAMA, "hi", options={"num_predict": 3})
    assert whole.eval_count == 3
    assert [model.model for model in ollama_client.ps().models] == [LLAMA]
    vectors = ollama_client.embed("nomic-embed-text", ["a", "b"])
    assert len(vectors.embeddings) == 2
    with pytest.raises(ollama.ResponseError, match="model 'nope' not found"):
        ollama_client.chat("nope", HI)
    proxy.await_ended(7)
    assert proxy.total("generated_tokens_total", model=LLAMA) == 8
    assert proxy.total("time_to_first_token_seconds_count", model=LLAMA) == 1
    assert proxy.total("request_outcomes_total", outcome="client_error") == 1


def test_the_openai_client_gets_answers_and_errors(proxy, openai_client):
    client = openai_client(proxy.url)
    assert LLAMA in [model.id for model in client.models.list()]
    stream = client.chat.completions.create(
        model=LLAMA,
        messages=HI,
        max_tokens=6,
        stream=True,
        stream_options={"include_usage": True},
    )
    *_, last = list(stream)
    assert last.usage.completion_tokens == 6
    answer = client.chat.completions.create(model=LLAMA, messages=HI, max_tokens=4)
    assert answer.usage.completion_tokens == 4
    with pytest.raises(openai.NotFoundError, match="model 'nope' not found"):
        client.chat.completions.create(model="nope", messages=HI)
    proxy.await_ended(4)
    assert proxy.total("generated_tokens_total", model=LLAMA) == 10


@pytest.mark.timeout(240)
def test_within_a_minute_there_is_something_to_see(new_child, start_child):
    demo = new_child("demo", "listen")
    child = start_child(
        "proxy",
        lambda unborn: proxied.section(unborn, demo.urls["listen"]),
        "listen",
        "metrics_listen",
    )
    proxy = Proxied(child)
    demo.start(
        {
            "demo": {"enabled": True, "listen": demo.address("listen")},
            "proxy": {"listen": child.address("listen")},
        }
    )
    demo.wait_ready()

    def is_alive() -> bool:
        seen = {name for name, _, value in proxy.samples() if value > 0}
        return WANTED.issubset(seen)

    eventually(is_alive, f"all of {WANTED}", patience_s=120)
    assert demo.stop() == 0
    eventually(lambda: proxy.total("active_requests") == 0, "nothing in flight")


WANTED = {
    *("ollama_proxy_requests_total", "ollama_proxy_generated_tokens_total"),
    *("ollama_proxy_prompt_tokens_total", "ollama_proxy_active_requests"),
    *("ollama_proxy_time_to_first_token_seconds_count", "ollama_proxy_tokens_per_second_count"),
    *("ollama_proxy_model_load_duration_seconds_count", "ollama_up", "ollama_model_loaded"),
}
