import pytest

from ollamon.metrics.requests import Outcome
from ollamon.proxy.events import Report
from ollamon.proxy.outcome import UpstreamFault, judge
from ollamon.proxy.tap import Ending

OPEN = Report(is_stream=True)
WHOLE = Report(is_stream=True, has_final=True)
FAILED = Report(is_stream=True, has_failure=True)

CASES = {
    "a whole answer that is not read": (Ending.COMPLETE, 200, None, "ok", None),
    "a stream with its marker": (Ending.COMPLETE, 200, WHOLE, "ok", None),
    "a clean end without the marker": (Ending.COMPLETE, 200, OPEN, "truncated", "truncated"),
    "an error line in a 200": (Ending.COMPLETE, 200, FAILED, "upstream_error", "error_line"),
    "not modified": (Ending.COMPLETE, 304, None, "ok", None),
    "a complete 4xx": (Ending.COMPLETE, 404, None, "client_error", None),
    "a complete 5xx": (Ending.COMPLETE, 503, None, "upstream_error", "status_5xx"),
    "cancelled before a head": (Ending.CANCELLED, 499, None, "cancelled", None),
    "cancelled after all was there": (Ending.CANCELLED, 200, OPEN, "cancelled", None),
    "left before a head": (Ending.CLIENT_GONE, None, None, "client_abort", None),
    "left in mid-stream": (Ending.CLIENT_GONE, 200, OPEN, "client_abort", None),
    "left after the marker": (Ending.CLIENT_GONE, 200, WHOLE, "ok", None),
    "left after an error line": (Ending.CLIENT_GONE, 200, FAILED, "upstream_error", "error_line"),
    "refused by us": (Ending.REJECTED, 403, None, "rejected", None),
    "overload": (Ending.REJECTED, 503, None, "rejected", None),
    "no connection": (Ending.UPSTREAM_REFUSED, 502, None, "upstream_error", "refused"),
    "no connection in time": (Ending.CONNECT_TIMEOUT, 504, None, "timeout", "timeout"),
    "reset before the head": (Ending.UPSTREAM_RESET, 502, None, "upstream_error", "reset"),
    "cut in the body": (Ending.UPSTREAM_CUT, 200, OPEN, "truncated", "truncated"),
    "cut after the marker": (Ending.UPSTREAM_CUT, 200, WHOLE, "truncated", "truncated"),
    "a slow client": (Ending.CLIENT_TIMEOUT, 408, None, "timeout", None),
    "our own stop": (Ending.SHUTDOWN, 200, OPEN, "shutdown", None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_how_a_request_ended(case):
    ending, status, report, outcome, fault = case
    assert judge(ending, status, report, has_head=status == 200) == (outcome, fault)


def test_garbage_is_an_error_before_the_head_and_a_truncation_after_it():
    before = judge(Ending.UPSTREAM_GARBAGE, 502, None, has_head=False)
    after = judge(Ending.UPSTREAM_GARBAGE, 200, OPEN, has_head=True)
    assert before == (Outcome.UPSTREAM_ERROR, UpstreamFault.PROTOCOL)
    assert after == (Outcome.TRUNCATED, UpstreamFault.PROTOCOL)


@pytest.mark.parametrize("ending", Ending)
def test_every_ending_has_an_outcome(ending):
    assert judge(ending, None, None, has_head=False)[0] in Outcome
