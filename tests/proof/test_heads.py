"""Heads pass as they came, but for what concerns one connection, Host and framing.

Random ones: bytes that are no UTF-8, names that differ in case alone, odd white space, order.
OLLAMON_FULL=1 sends 20,000.
"""

import asyncio
import os
import random

import pytest

from tests.fakes.client import bench
from tests.fakes.upstream import soon

COUNT = 20_000 if os.environ.get("OLLAMON_FULL") else 500
HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"}
NAME = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
VALUE = bytes([9, *range(32, 127), *range(128, 256)])
TARGET = bytes([*range(0x21, 0x7F), *range(0x80, 0x100)])


def some(rng: random.Random, letters: bytes, least: int, most: int) -> bytes:
    return bytes(rng.choices(letters, k=rng.randint(least, most)))


def random_lines(rng: random.Random) -> list[bytes]:
    """Field lines, some of which must not pass."""
    lines = []
    for _ in range(rng.randrange(12)):
        name = b"X-" + some(rng, NAME, 1, 12)
        line = name + b":" + some(rng, VALUE, 0, 40)
        lines.append(line)
        if rng.random() < 0.2:
            lines.append(name.swapcase() + b": " + some(rng, VALUE, 0, 9))
        if rng.random() < 0.1:
            lines.append(line)
    for name in (b"Keep-Alive", b"proxy-connection", b"TE", b"upgrade"):
        if rng.random() < 0.2:
            lines.insert(rng.randint(0, len(lines)), name + b": " + some(rng, NAME, 1, 9))
    if lines and rng.random() < 0.4:
        nominated = rng.choice(lines).partition(b":")[0]
        if nominated.lower() not in HOP_BY_HOP:
            lines.insert(rng.randint(0, len(lines)), b"conNection: " + nominated + b" , foo")
    return lines


def that_pass(lines: list[bytes]) -> list[bytes]:
    gone = set(HOP_BY_HOP)
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"connection":
            gone |= {option.strip(b" \t").lower() for option in value.split(b",")}
    return [line for line in lines if line.partition(b":")[0].lower() not in gone]


@pytest.mark.timeout(600 if COUNT > 500 else 120)
async def test_random_heads_pass_both_ways():
    heads: list[bytes] = []
    answers: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answers[-1])
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, bench(upstream_url=f"http://127.0.0.1:{port}") as stage:
        for count in range(COUNT):
            rng = random.Random(f"head {count}")
            up, down = random_lines(rng), random_lines(rng)
            line = some(rng, NAME, 1, 9) + b" /" + some(rng, TARGET, 0, 30)
            status = b"%d " % rng.choice([200, 201, 299, 404, 503]) + some(rng, VALUE, 0, 20)
            answers.append(
                b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: 0", *down, b"\r\n"])
            )
            at = rng.randint(0, len(up))
            up.insert(at, b"hOst:" + rng.choice([b"localhost", b" 127.0.0.1:80\t"]))

            client = await stage.client()
            await client.send(b"\r\n".join([line + b" HTTP/1.1", *up, b"\r\n"]))
            got = await client.read_until(b"\r\n\r\n")
            client.leave()
            stage.clients.clear()
            host = b"hOst: 127.0.0.1:%d" % port
            passed = [host if each.startswith(b"hOst:") else each for each in that_pass(up)]
            assert heads[-1] == b"\r\n".join([line + b" HTTP/1.1", *passed, b"\r\n"])
            passed = [b"HTTP/1.1 " + status, b"Content-Length: 0", *that_pass(down)]
            assert got == b"\r\n".join([*passed, b"\r\n"])
        await soon(stage.until_quiet())
        assert len(heads) == COUNT
