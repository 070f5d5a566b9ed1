"""The recorded answers of a real Ollama, with what INDEX.md says they must yield."""

import re
from dataclasses import dataclass
from pathlib import Path

import h11

from ollamon.proxy.tap import AnswerHead

FOLDER = Path(__file__).parents[2] / "samples" / "ollama"
_ROW = re.compile(r"^\| (?P<file>\S+\.http) \|(?P<status>[^|]*)\|(?P<request>.*)$")


@dataclass(frozen=True)
class Sample:
    name: str
    method: str
    target: str
    status: int
    prompt: int | None
    generated: int | None
    outcome: str
    head: AnswerHead
    body: bytes

    def __str__(self) -> str:
        return self.name


def load() -> list[Sample]:
    rows = map(_ROW.match, (FOLDER / "INDEX.md").read_text().splitlines())
    return [_sample(row) for row in rows if row is not None]


def _sample(row: re.Match[str]) -> Sample:
    request, tokens, outcome, _ = row["request"].rsplit("|", 4)[:4]
    method, target = re.search(r"`([A-Z]+) (\S+)`", request).groups()
    head, body = _parse((FOLDER / row["file"]).read_bytes(), method)
    prompt, generated = _tokens(tokens.strip())
    return Sample(
        row["file"],
        method,
        target,
        head.status,
        prompt,
        generated,
        outcome.strip(),
        head,
        body,
    )


def _tokens(text: str) -> tuple[int | None, int | None]:
    if "/" not in text:
        return None, None
    prompt, generated = (part.strip() for part in text.split("/"))
    return int(prompt), None if generated == "none" else int(generated)


def _parse(data: bytes, method: str) -> tuple[AnswerHead, bytes]:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    connection.receive_data(data)
    connection.receive_data(b"")
    body = bytearray()
    head = AnswerHead(0, "", False)
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            fields = dict(event.headers)
            kind = fields.get(b"content-type", b"").decode().partition(";")[0].strip().lower()
            head = AnswerHead(event.status_code, kind, b"content-encoding" in fields)
        elif isinstance(event, h11.Data):
            body += event.data
        elif not isinstance(event, h11.InformationalResponse):
            return head, bytes(body)
