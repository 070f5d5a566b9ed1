"""How a request ended: what the relay saw and what the answer said -> one word, without I/O.

The event that ended the exchange decides. A status of 200 or a clean end is no success: a stream
succeeds when its final marker was seen, and then also if the client left right after it.
"""

from enum import StrEnum
from typing import assert_never

from ollamon.metrics.requests import Outcome
from ollamon.proxy.events import Report
from ollamon.proxy.tap import Ending


class UpstreamFault(StrEnum):
    """What upstream did wrong; values of the label `reason`."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    TRUNCATED = "truncated"
    ERROR_LINE = "error_line"
    STATUS_5XX = "status_5xx"


Verdict = tuple[Outcome, UpstreamFault | None]

_TRUNCATED: Verdict = (Outcome.TRUNCATED, UpstreamFault.TRUNCATED)
_ERROR_LINE: Verdict = (Outcome.UPSTREAM_ERROR, UpstreamFault.ERROR_LINE)


def judge(ending: Ending, status: int | None, report: Report | None, *, has_head: bool) -> Verdict:
    """Return how a request ended, and what upstream did wrong if it did.

    `status` is what the client got, `has_head` says that it was upstream's; `report` is None when
    the answer was not read.
    """
    match ending:
        case Ending.COMPLETE:
            return _of_whole(status or 0, report)
        case Ending.CLIENT_GONE:
            return _of_left(report)
        case Ending.REJECTED:
            return Outcome.REJECTED, None
        case Ending.SHUTDOWN:
            return Outcome.SHUTDOWN, None
        case Ending.CANCELLED:
            return Outcome.CANCELLED, None
        case Ending.CLIENT_TIMEOUT:
            return Outcome.TIMEOUT, None
        case Ending.CONNECT_TIMEOUT:
            return Outcome.TIMEOUT, UpstreamFault.TIMEOUT
        case Ending.UPSTREAM_REFUSED:
            return Outcome.UPSTREAM_ERROR, UpstreamFault.REFUSED
        case Ending.UPSTREAM_RESET:
            return Outcome.UPSTREAM_ERROR, UpstreamFault.RESET
        case Ending.UPSTREAM_GARBAGE:
            outcome = Outcome.TRUNCATED if has_head else Outcome.UPSTREAM_ERROR
            return outcome, UpstreamFault.PROTOCOL
        case Ending.UPSTREAM_CUT:
            return _TRUNCATED
        case _:
            assert_never(ending)


def _of_whole(status: int, report: Report | None) -> Verdict:
    if status >= 500:
        return Outcome.UPSTREAM_ERROR, UpstreamFault.STATUS_5XX
    if status >= 400:
        return Outcome.CLIENT_ERROR, None
    if report is None:
        return Outcome.OK, None
    if report.has_failure:
        return _ERROR_LINE
    return (Outcome.OK, None) if report.has_final else _TRUNCATED


def _of_left(report: Report | None) -> Verdict:
    # Clients close after [DONE], and after an error.
    if report is not None and report.has_failure:
        return _ERROR_LINE
    is_served = report is not None and report.has_final
    return (Outcome.OK if is_served else Outcome.CLIENT_ABORT), None
