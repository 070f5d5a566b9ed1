"""One blocking GET, past any proxy that the environment names. Standard library only."""

from typing import NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    """What a server said.

    Attributes:
        date: Its field Date, or "".
    """

    status: int
    body: bytes
    date: str = ""


def get(base: str, target: str, *, timeout_s: float, most: int) -> Answer:
    """Ask the server of a URL for a target; at most so many bytes of the body are read.

    Raises:
        OSError: It cannot be reached, or is late.
        http.client.HTTPException: It does not speak HTTP.
    """
    # Only here, since most commands ask nobody.
    import http.client

    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", target, headers={"User-Agent": "ollamon"})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(most), answer.headers.get("Date", ""))
    finally:
        connection.close()
