"""OpenAI's words; what the recorded answers hold is compared in test_server.py."""

import pytest

from ollamon.demo import models, openai
from ollamon.demo.answers import Usage
from ollamon.demo.openai import Completion
from ollamon.demo.pacing import Job, Piece
from tests.demo import recorded

USAGE = Usage("stop", 9, 1, 25, 3, 4, 5)


@pytest.fixture
def completion() -> Completion:
    return Completion(Job(models.find("qwen3:8b"), "qwen3:8b", 25), 7, 1_700_000_000)


def delta(event: bytes) -> dict:
    [chunk] = recorded.events(event)
    return chunk["choices"][0]["delta"]


def test_the_role_stands_in_the_first_chunk_only(completion):
    first = completion.chunk(Piece("a"), is_first=True)
    assert delta(first) == {"role": "assistant", "content": "a"}
    assert delta(completion.chunk(Piece(" b"), is_first=False)) == {"content": " b"}


def test_a_thought_is_reasoning_and_no_content(completion):
    thought = completion.chunk(Piece("hm", is_thought=True), is_first=False)
    assert delta(thought) == {"content": "", "reasoning": "hm"}


def test_the_end_tells_the_counts_when_they_were_asked_for(completion):
    counts = {"prompt_tokens": 25, "completion_tokens": 4, "total_tokens": 29}
    last, told, done = recorded.events(completion.end(USAGE, tells_usage=True))
    assert last["choices"][0]["finish_reason"] == "stop"
    assert (told["choices"], told["usage"], done) == ([], counts, "[DONE]")
    assert len(recorded.events(completion.end(USAGE, tells_usage=False))) == 2


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "not_found_error"), (400, "invalid_request_error")]
)
def test_an_error_has_the_type_of_its_status(status, kind):
    assert openai.error(status, "why") == {
        "error": {"message": "why", "type": kind, "param": None, "code": None}
    }
