"""Requests that never were."""

from typing import Any

from ollamon.metrics.requests import RequestRecord


def record(seq: int, **fields: Any) -> RequestRecord:
    """A request that ended at second `seq`."""
    made = RequestRecord(
        seq=seq,
        id=seq,
        ended_at=float(seq),
        method="POST",
        endpoint="/api/chat",
        model="qwen3:8b",
        status="200",
        outcome="ok",
        finish="stop",
        client="ollama",
        is_stream=True,
        duration_s=2.5,
        time_to_first_token_s=0.25,
        tokens_per_second=76.5,
        prompt_tokens=12,
        cached_tokens=None,
        generated_tokens=34,
        load_s=None,
        prefill_s=0.125,
        decode_s=0.5,
        joules=None,
    )
    return made._replace(**fields)
