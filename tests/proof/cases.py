"""Exchanges by rule: what a client asks, what upstream does, and what the proxy must have counted.

What is expected follows from the design's words and the numbers of the case alone; nothing of the
product is asked.
"""

import json
import random
from dataclasses import dataclass, field, replace

MODELS = ("alpha:7b", "beta", "gamma/x:1b", "delta")
LABELS = {"": "unknown", "beta:latest": "beta", "no-such": "other"}
GENERATING = {
    "/api/chat": "ollama",
    "/api/generate": "ollama",
    "/v1/chat/completions": "openai",
    "/v1/completions": "openai",
    "/v1/messages": "anthropic",
}
KINDS = {
    **{"stream": 40, "plain": 16, "embed": 8, "list": 6},
    **{"missing": 5, "broken": 3, "busy": 2, "error line": 3, "cut": 3, "unfinished": 3},
    **{"reset": 2, "garbage": 2, "foreign": 2, "malformed": 2, "left after the end": 2},
    **{"abort upload": 1, "abort prefill": 2, "abort stream": 2, "abort plain": 1},
}
ANTHROPIC_FINISH = {"stop": "end_turn", "length": "max_tokens"}
JSON_TYPE = b"application/json"
LINES_TYPE = b"application/x-ndjson"
EVENTS_TYPE = b"text/event-stream"
QUEUE_NS = 100_000
PREFILL_NS = 900_000
CUT = 9
"""Bytes of a framed chunk that a cut leaves out, its line end included."""


@dataclass(frozen=True)
class Expected:
    """What one exchange must have added.

    Attributes:
        rate: Tokens per second where upstream told its decode time.
        has_rate: A rate was observed, told or seen.
        cached: Tokens of the prompt that came from a cache; None is untold.
        chunks: Objects of the stream that carried a token.
        has_gap: Something came after the first token.
        phases: Seconds by phase, as upstream told them.
        relayed: Bytes of the answer's body.
    """

    status: str
    outcome: str
    fault: str = ""
    prompt: int | None = None
    generated: int | None = None
    rate: float | None = None
    has_rate: bool = False
    has_first_token: bool = False
    load_s: float | None = None
    cached: int | None = None
    finish: str = ""
    chunks: int = 0
    has_gap: bool = False
    phases: tuple[tuple[str, float], ...] = ()
    relayed: int = 0


@dataclass
class Case:
    """One exchange. `word` stands in every piece of text of the answer, `prompt` in the request."""

    number: int
    kind: str
    method: str
    path: str
    model: str
    body: bytes
    status: bytes = b"200 OK"
    content_type: bytes = JSON_TYPE
    pieces: list[bytes] = field(default_factory=list)
    is_chunked: bool = True
    expected: Expected | None = None

    @property
    def label(self) -> str:
        return LABELS.get(self.model, self.model)

    @property
    def endpoint(self) -> str:
        return self.path

    @property
    def uploaded(self) -> int:
        """How much of the body upstream is given."""
        if self.kind == "foreign":
            return 0
        return len(self.body) * 2 // 3 if self.kind == "abort upload" else len(self.body)

    def request(self) -> bytes:
        host = "evil.com" if self.kind == "foreign" else "localhost"
        more = "\r\nContent-Length: +1" if self.kind == "malformed" else ""
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: {host}\r\nX-Case: {self.number}{more}"
        length = f"\r\nContent-Length: {len(self.body)}" if self.body and not more else ""
        return (head + length + "\r\n\r\n").encode() + self.body

    def answer(self) -> list[bytes]:
        """The answer in pieces; upstream waits after the second for the client to have got it."""
        head = b"HTTP/1.1 " + self.status + b"\r\nContent-Type: " + self.content_type
        if not self.is_chunked:
            whole = b"".join(self.pieces)
            return [head + b"\r\nContent-Length: %d\r\n\r\n" % len(whole), whole]
        framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in self.pieces]
        return [head + b"\r\nTransfer-Encoding: chunked\r\n\r\n", *framed, b"0\r\n\r\n"]


def make_case(number: int, prompt: str = "why", word: str = "so", kind: str = "") -> Case:
    """Make the case of a number."""
    rng = random.Random(f"case {number}")
    kind = kind or rng.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "list":
        case = Case(number, kind, "GET", "/api/tags", "", b"", pieces=[b'{"models":[]}'])
        case.is_chunked, case.expected = rng.random() < 0.5, Expected("200", "ok", relayed=13)
        return case
    if kind == "embed":
        return _embedding(rng, number, prompt)
    path = rng.choice(list(GENERATING))
    model = "no-such" if kind == "missing" else rng.choice((*MODELS, "beta:latest"))
    asked = {"model": model, "prompt": prompt, "messages": [{"role": "user", "content": prompt}]}
    is_plain = kind in ("plain", "abort plain")
    if kind != "missing":
        asked["stream"] = not is_plain
    case = Case(number, kind, "POST", path, model, json.dumps(asked).encode())
    told = Told.random(rng)
    dialect = GENERATING[path]
    if is_plain:
        case.pieces, case.is_chunked = [PLAIN[dialect](path, model, word, told)], False
        expected = _finished(dialect, told, is_stream=False)
    else:
        case.content_type = LINES_TYPE if dialect == "ollama" else EVENTS_TYPE
        case.pieces = STREAMS[dialect](path, model, word, told)
        expected = _finished(dialect, told, is_stream=True)
    _spoil(case, dialect, expected, word)
    return case


@dataclass(frozen=True)
class Told:
    """The numbers of an answer."""

    prompt: int
    generated: int
    has_usage: bool
    load_ns: int
    decode_ns: int
    cached: int | None
    finish: str

    @classmethod
    def random(cls, rng: random.Random) -> "Told":
        return cls(
            rng.randint(1, 5000),
            rng.randint(2, 40),
            rng.random() < 0.8,
            rng.choice([0, 1_500_000, 40_000_000, 2_300_000_000]),
            rng.randint(10**7, 10**10),
            rng.choice([None, None, 0, 1]),
            rng.choice(["stop", "stop", "length"]),
        )


def _finished(dialect: str, told: Told, *, is_stream: bool) -> Expected:
    whole = Expected(
        *("200", "ok"),
        finish=told.finish,
        has_first_token=is_stream,
        chunks=told.generated if is_stream else 0,
        has_gap=is_stream,
    )
    if not (told.has_usage or dialect != "openai" or not is_stream):
        return whole
    whole = replace(
        whole, prompt=told.prompt, generated=told.generated, cached=told.cached, has_rate=is_stream
    )
    if dialect != "ollama":
        return whole
    decode_s = told.decode_ns / 1e9
    phases = {
        "queue": QUEUE_NS / 1e9,
        "load": told.load_ns / 1e9,
        "prefill": PREFILL_NS / 1e9,
        "decode": decode_s,
    }
    return replace(
        whole,
        rate=told.generated / decode_s,
        has_rate=True,
        load_s=told.load_ns / 1e9 or None,
        phases=tuple(phases.items()),
    )


def _spoil(case: Case, dialect: str, whole: Expected, word: str) -> None:
    """Make of a good answer what the kind says."""
    case.expected = whole
    errors = {"missing": b"404 Not Found", "broken": b"500 Oops", "busy": b"503 Busy"}
    match case.kind:
        case "missing" | "broken" | "busy":
            case.status, case.content_type, case.is_chunked = errors[case.kind], JSON_TYPE, False
            case.pieces = [json.dumps({"error": f"no {word}"}).encode()]
            outcome = "client_error" if case.kind == "missing" else "upstream_error"
            fault = "" if case.kind == "missing" else "status_5xx"
            case.expected = Expected(case.status[:3].decode(), outcome, fault)
        case "error line":
            case.pieces = [*case.pieces[:2], ERROR_LINES[dialect](word)]
            case.expected = Expected(
                *("200", "upstream_error", "error_line"), chunks=2, has_gap=True
            )
        case "cut":
            case.expected = Expected(*("200", "truncated", "truncated"), chunks=1, has_gap=True)
        case "unfinished":
            case.pieces = case.pieces[:2]
            case.expected = Expected(*("200", "truncated", "truncated"), chunks=2, has_gap=True)
        case "reset":
            case.expected = Expected("502", "upstream_error", "reset")
        case "garbage":
            case.expected = Expected("502", "upstream_error", "protocol")
        case "foreign":
            case.model = case.model if case.kind != "foreign" else ""
            case.expected = Expected("403", "rejected")
        case "abort upload" | "abort prefill" | "abort plain":
            case.expected = Expected("499", "client_abort")
        case "abort stream":
            case.expected = Expected("200", "client_abort", has_first_token=True, chunks=1)
        case "malformed":
            case.expected = None
        case _:
            pass
    if case.expected is not None:
        case.expected = replace(case.expected, relayed=_relayed(case))


def _relayed(case: Case) -> int:
    """How much of the answer's body the client is given."""
    match case.kind:
        case "reset" | "garbage" | "foreign" | "abort upload" | "abort prefill" | "abort plain":
            return 0
        case "abort stream":
            return len(case.pieces[0])
        case "cut":
            return len(case.pieces[0]) + len(case.pieces[1]) - (CUT - 2)
        case _:
            return sum(map(len, case.pieces))


def _embedding(rng: random.Random, number: int, prompt: str) -> Case:
    path = rng.choice(["/api/embed", "/v1/embeddings"])
    model, told = rng.choice(MODELS), Told.random(rng)
    body = json.dumps({"model": model, "input": prompt}).encode()
    case = Case(number, "embed", "POST", path, model, body, is_chunked=False)
    if path == "/api/embed":
        document = {
            **{"model": model, "embeddings": [[0.5, 0.25]], "total_duration": told.decode_ns},
            **{"load_duration": told.load_ns, "prompt_eval_count": told.prompt},
        }
        if not told.load_ns:
            del document["load_duration"]
        case.expected = Expected(
            *("200", "ok"),
            prompt=told.prompt,
            load_s=told.load_ns / 1e9 or None,
            phases=(("load", told.load_ns / 1e9),),
        )
    else:
        usage = {"prompt_tokens": told.prompt, "total_tokens": told.prompt}
        document = {"object": "list", "data": [], "model": model, "usage": usage}
        case.expected = Expected("200", "ok", prompt=told.prompt)
    case.pieces = [json.dumps(document).encode()]
    case.expected = replace(case.expected, relayed=len(case.pieces[0]))
    return case


def _line(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _said(path: str, text: str) -> dict[str, object]:
    if path == "/api/generate":
        return {"response": text}
    return {"message": {"role": "assistant", "content": text}}


def _counters(told: Told) -> dict[str, object]:
    total = told.load_ns + told.decode_ns + QUEUE_NS + PREFILL_NS
    found = {"total_duration": total, "load_duration": told.load_ns}
    found |= {"prompt_eval_count": told.prompt, "prompt_eval_cached_count": told.cached}
    found |= {"prompt_eval_duration": PREFILL_NS}
    found |= {"eval_count": told.generated, "eval_duration": told.decode_ns}
    # Ollama leaves out zeros; a count that is not told is left out too.
    may_be_zero = "prompt_eval_cached_count"
    return {
        name: value
        for name, value in found.items()
        if value or (name == may_be_zero and value is not None)
    }


def _native_plain(path: str, model: str, word: str, told: Told) -> bytes:
    said = _said(path, word)
    return _line(
        {"model": model, **said, "done": True, "done_reason": told.finish, **_counters(told)}
    )


def _native_stream(path: str, model: str, word: str, told: Told) -> list[bytes]:
    lines = [
        _line({"model": model, **_said(path, f"{word} {count}"), "done": False}) + b"\n"
        for count in range(told.generated)
    ]
    return [*lines, _native_plain(path, model, "", told) + b"\n"]


def _usage(told: Told) -> dict[str, object]:
    usage = {"prompt_tokens": told.prompt, "completion_tokens": told.generated}
    if told.cached is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": told.cached}
    return {**usage, "total_tokens": told.prompt + told.generated}


def _choice(path: str, text: str, key: str) -> dict[str, object]:
    if path == "/v1/completions":
        return {"index": 0, "text": text}
    return {"index": 0, key: {"role": "assistant", "content": text}}


def _openai_plain(path: str, model: str, word: str, told: Told) -> bytes:
    choice = _choice(path, word, "message") | {"finish_reason": told.finish}
    return _line({"id": "c", "model": model, "choices": [choice], "usage": _usage(told)})


def _openai_stream(path: str, model: str, word: str, told: Told) -> list[bytes]:
    def event(choices: list[object], **more: object) -> bytes:
        return b"data: " + _line({"id": "c", "model": model, "choices": choices, **more}) + b"\n\n"

    events = [event([_choice(path, f"{word} {n}", "delta")]) for n in range(told.generated)]
    events.append(event([_choice(path, "", "delta") | {"finish_reason": told.finish}]))
    if told.has_usage:
        events.append(event([], usage=_usage(told)))
    return [*events, b"data: [DONE]\n\n"]


def _anthropic_usage(told: Told) -> dict[str, int]:
    """Its input tokens exclude cached ones."""
    usage = {"input_tokens": told.prompt, "output_tokens": told.generated}
    if told.cached is not None:
        usage["input_tokens"] -= told.cached
        usage["cache_read_input_tokens"] = told.cached
    return usage


def _anthropic_plain(path: str, model: str, word: str, told: Told) -> bytes:
    usage = _anthropic_usage(told)
    content = [{"type": "text", "text": word}]
    return _line(
        {
            **{"id": "m", "type": "message", "model": model, "content": content},
            **{"stop_reason": ANTHROPIC_FINISH[told.finish], "usage": usage},
        }
    )


def _event(kind: str, **more: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + _line({"type": kind, **more}) + b"\n\n"


def _anthropic_stream(path: str, model: str, word: str, told: Told) -> list[bytes]:
    start = {"model": model, "usage": {"input_tokens": 1, "output_tokens": 0}}
    texts = [
        _event("content_block_delta", index=0, delta={"type": "text_delta", "text": f"{word} {n}"})
        for n in range(told.generated)
    ]
    usage = _anthropic_usage(told)
    begin = _event("message_start", message=start)
    begin += _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    return [
        begin + texts[0],
        *texts[1:],
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": ANTHROPIC_FINISH[told.finish]}, usage=usage),
        _event("message_stop"),
    ]


PLAIN = {"ollama": _native_plain, "openai": _openai_plain, "anthropic": _anthropic_plain}
STREAMS = {"ollama": _native_stream, "openai": _openai_stream, "anthropic": _anthropic_stream}
ERROR_LINES = {
    "ollama": lambda word: _line({"error": f"no {word}"}) + b"\n",
    "openai": lambda word: b"data: " + _line({"error": {"message": word}}) + b"\n\n",
    "anthropic": lambda word: _event("error", error={"type": "api_error", "message": word}),
}
