import json
from collections import Counter
from random import Random

import pytest

from ollamon.demo import asks, bodies, models
from ollamon.demo.habits import MISSING_MODEL, USERS, Errand

DAY = 400


def errands(user: str, seed: int = 1, count: int = DAY) -> list[Errand]:
    rng = Random(seed)
    return [USERS[user](rng) for _ in range(count)]


def everybody() -> list[Errand]:
    return [errand for user in USERS for errand in errands(user)]


@pytest.mark.parametrize("user", USERS)
def test_the_same_seed_gives_the_same_day(user):
    assert errands(user) == errands(user)
    assert errands(user) != errands(user, seed=2)


@pytest.mark.parametrize("user", USERS)
def test_pauses_are_gentle_and_bounded(user):
    pauses = [errand.pause_s for errand in errands(user)]
    assert min(pauses) >= 0.2
    assert max(pauses) <= 60


def test_a_day_touches_every_route_of_a_dashboard():
    assert {errand.path for errand in everybody()} == {
        *("/api/chat", "/api/generate", "/api/embed", "/api/show"),
        *("/api/tags", "/api/ps", "/api/version"),
        *("/v1/chat/completions", "/v1/models"),
    }


def test_a_day_touches_every_model_and_one_that_is_missing():
    assert models.find(MISSING_MODEL) is None
    asked = {errand.body["model"] for errand in everybody() if errand.body}
    found = {models.find(name).name for name in asked - {MISSING_MODEL}}
    assert MISSING_MODEL in asked
    assert found == {model.name for model in models.SHELF}


def test_some_answers_are_streamed_and_some_are_not():
    streamed = Counter(errand.body.get("stream") for errand in errands("coder"))
    assert set(streamed) == {True, None}
    assert {errand.body.get("stream") for errand in errands("writer")} == {False, None}


def test_a_user_loses_patience_now_and_then():
    impatient = [errand for errand in everybody() if errand.patience_s is not None]
    assert 0 < len(impatient) < 0.1 * DAY * len(USERS)
    assert all(0.1 < errand.patience_s < 10 for errand in impatient)


READERS = {
    "/api/chat": lambda body: asks.chat_job(bodies.parse(bodies.Chat, body)),
    "/api/generate": lambda body: asks.generate_job(bodies.parse(bodies.Generate, body)),
    "/api/embed": lambda body: asks.embed_job(bodies.parse(bodies.Embed, body)),
    "/v1/chat/completions": lambda body: asks.openai_job(bodies.parse(bodies.OpenAiChat, body)),
}


def test_every_question_is_one_that_the_server_answers():
    for errand in everybody():
        if errand.path in READERS and errand.body["model"] != MISSING_MODEL:
            job = READERS[errand.path](json.dumps(errand.body).encode())
            assert job.prompt_tokens <= job.model.context


def test_an_errand_with_a_body_is_a_post():
    assert {errand.method for errand in everybody() if errand.body is None} == {"GET"}
    assert {errand.method for errand in everybody() if errand.body} == {"POST"}
