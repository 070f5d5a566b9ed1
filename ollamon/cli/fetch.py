"""One blocking GET, past any proxy that the environment names. Standard library only."""

from urllib.parse import urlsplit


def get(base: str, target: str, *, timeout_s: float, most: int) -> tuple[int, bytes]:
    """Ask the server of a URL for a target; return its status and at most so many bytes.

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
        return answer.status, answer.read(most)
    finally:
        connection.close()
