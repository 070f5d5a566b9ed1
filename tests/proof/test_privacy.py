"""No word of a prompt or an answer is found in what the proxy writes, counts or tells.

Each exchange has random words of its own, exchanges that fail and readers that raise included.
"""

import asyncio
import contextlib
import os
import random

import pytest

from tests.proof.cases import KINDS, make_case
from tests.proof.stage import Stage, staging, sum_of

COUNT = 1000 if os.environ.get("OLLAMON_FULL") else 200
PATHS = ("/metrics", "/readyz", "/healthz", "/api/requests", "/api/inflight")
# Every few calls of the observing half raise, with what they were given in the text.
FAILING = """
import itertools, sys
from ollamon.proxy import observation, reader
from ollamon.proxy.__main__ import main

def fail(owner, name, every):
    real, calls = getattr(owner, name), itertools.count(1)
    def call(self, *args, **named):
        if next(calls) % every == 0:
            raise ValueError(f"cannot read {args!r} {named!r}")
        return real(self, *args, **named)
    setattr(owner, name, call)

fail(reader.Reader, "feed", 7)
fail(reader.Reader, "finish", 11)
fail(reader.Reader, "_parse", 13)
fail(observation.Observation, "request_read", 5)
fail(observation.Observation, "answer_began", 17)
sys.exit(main())
"""


def secrets_of(number: int) -> tuple[str, str]:
    rng = random.Random(f"secret {number}")
    return f"p{rng.getrandbits(80):020x}", f"w{rng.getrandbits(80):020x}"


async def send_raw(stage: Stage, data: bytes) -> bytes:
    host, _, port = stage.child.address("listen").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(reader.read(), 20)
        return b""
    finally:
        writer.transport.abort()


def malformed_with(secret: str) -> list[bytes]:
    """Requests that are refused, with a secret in every part."""
    head = f"Authorization: Bearer {secret}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n"
    return [
        f"POST /api/chat?{secret} HTTP/1.1\r\nHost: localhost\r\n{head}{secret}".encode(),
        f"{secret} /api/chat HTTP/9.9\r\nHost: localhost\r\n\r\n".encode(),
        f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n{secret}\r\n\r\n".encode(),
        f"GET /{secret} HTTP/1.1\r\nHost: {secret}.example.com\r\n\r\n".encode(),
        f'{{"prompt":"{secret}"}}\r\n\r\n'.encode(),
        (
            "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"{secret}\r\n"
        ).encode(),
    ]


@pytest.mark.timeout(600 if COUNT > 200 else 120)
@pytest.mark.parametrize("program", ["", FAILING], ids=["sound", "failing readers"])
async def test_no_word_is_found_anywhere(new_child, program):
    secrets: list[str] = []
    told: list[bytes] = []
    kinds = list(KINDS)
    async with staging(new_child, program) as stage:
        cases = []
        for number in range(COUNT // 2):
            prompt, word = secrets_of(number)
            secrets += [prompt, word]
            cases.append(make_case(number, prompt, word, kind=kinds[number % len(kinds)]))
        await stage.play_all(cases)
        for number in range(10):
            secret = secrets_of(COUNT + number)[0]
            secrets.append(secret)
            for data in malformed_with(secret):
                await send_raw(stage, data)
        # Of those in `malformed_with`, two have a head that is understood.
        known = sum(case.expected is not None for case in cases) + 2 * 10
        found = await stage.until(
            lambda found: sum_of(found, "ollama_proxy_requests_total") >= known
        )
        told = [await stage.get(path) for path in PATHS]
        errors = sum_of(found, "ollama_proxy_metric_extraction_errors_total", reason="exception")
        assert errors > 0 if program else errors == 0
        assert sum_of(found, "ollama_proxy_requests_accepted_total") == known
        assert await asyncio.to_thread(stage.child.stop) == 0
    told.append(stage.child.output().encode())
    if program:
        assert b"ValueError" in told[-1]
    everything = b"\n".join(told).lower()
    assert len(everything) > 10_000
    assert [secret for secret in secrets if secret.encode() in everything] == []


@pytest.mark.timeout(120)
async def test_random_paths_methods_and_models_make_no_series(new_child):
    """Names of the recorder alone are tried by the hundred thousand beside its own tests."""
    rng = random.Random("paths")
    async with staging(new_child) as stage:
        for number in range(COUNT):
            name = f"{rng.getrandbits(60):x}"
            case = make_case(number, kind="missing")
            case.body = case.body.replace(b"no-such", name.encode())
            case.path = rng.choice(["/", "/api/", "/v1/", "/api/chat/"]) + name
            case.method = rng.choice(["GET", "PUT", name.upper()])
            await stage.play(case)
        found = await stage.until(
            lambda found: sum_of(found, "ollama_proxy_requests_total") >= COUNT
        )
        text = await stage.get("/metrics")
    folded = {"endpoint": "other", "model": "other"}
    assert sum_of(found, "ollama_proxy_requests_total", **folded) == COUNT
    # Three methods, and beside the 404 the 200 that stands there from the beginning.
    assert len([key for key in found if key[0] == "ollama_proxy_requests_total"]) <= 3 * 2
    assert len(found) < 8000
    assert len(text) < 1_000_000
