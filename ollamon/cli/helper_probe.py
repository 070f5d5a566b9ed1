"""Looks whether somebody else's helper answers at an address, as when it was started by hand."""

from ollamon.config.values import Address
from ollamon.readings import MAX_BYTES, Reading, ReadingError, from_json

TIMEOUT_S = 1.0
RUN_HEADER = "X-Ollamon-Run"


def read(address: Address) -> tuple[Reading | None, str]:
    """Ask `GET /metrics`; return what a helper reads (None: none answers) and its run id."""
    import http.client

    connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES + 1)
        return from_json(body), answer.headers.get(RUN_HEADER, "")
    except (OSError, http.client.HTTPException, ReadingError):
        return None, ""
    finally:
        connection.close()


def is_foreign_helper(address: Address) -> bool:
    """Say whether a helper answers that is the child of no stack.

    One with a run id belongs to a run, perhaps a dead one whose rests are about to be swept.
    """
    reading, run_id = read(address)
    return reading is not None and not run_id
