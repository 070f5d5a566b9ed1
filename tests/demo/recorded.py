"""Recorded answers of a real Ollama, and what of them the demo must share."""

import json
from pathlib import Path
from typing import Any

import h11

SAMPLES = Path(__file__).parents[1] / "samples/ollama"


def body_of(name: str) -> bytes:
    """The body of a recorded answer, framing taken off."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data((SAMPLES / name).read_bytes())
    body = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        body += bytes(event.data) if isinstance(event, h11.Data) else b""
    return body


def document(name: str) -> Any:
    return json.loads(body_of(name))


def lines(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.splitlines()]


def events(body: bytes) -> list[Any]:
    """The data of server-sent events; text that is no JSON stays text."""
    found = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event]
    return [json.loads(data) if data.startswith(b"{") else data.decode() for data in found]


def shape(value: Any) -> Any:
    """Keys in their order, all the way down; of a list the first item; of a value its kind."""
    match value:
        case dict():
            return [(key, shape(inner)) for key, inner in value.items()]
        case list():
            return [shape(inner) for inner in value[:1]]
        case bool() | None:
            return value
        case int() | float():
            return "number"
        case _:
            return "text"
