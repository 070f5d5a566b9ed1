import json

import h11
import pytest

from ollamon.proxy import replies
from ollamon.proxy.http1 import BadHead
from ollamon.proxy.replies import Refusal, render
from ollamon.proxy.routes import Dialect
from ollamon.proxy.tap import Rejection

URL = "http://127.0.0.1:11434"
UNREACHABLE = replies.unreachable(URL, "connection refused")
TEXT = f"ollamon: cannot reach Ollama at {URL}: connection refused"


def read(data: bytes, method: str = "GET"):
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(data)
    head, body = parser.next_event(), b""
    while not isinstance(event := parser.next_event(), h11.EndOfMessage):
        body += event.data
    assert parser.trailing_data == (b"", False)
    return head.status_code, dict(head.headers), body


def test_each_dialect_gets_the_shape_whose_text_its_clients_show():
    found = {
        dialect: json.loads(read(render(UNREACHABLE, dialect, is_closing=False))[2])
        for dialect in Dialect
    }
    assert found == {
        Dialect.OLLAMA: {"error": TEXT},
        Dialect.OPENAI: {
            "error": {"message": TEXT, "type": "api_error", "param": None, "code": None}
        },
        Dialect.ANTHROPIC: {
            "type": "error",
            "error": {"type": "api_error", "message": TEXT},
            "request_id": "req_ollamon",
        },
    }


@pytest.mark.parametrize(
    ("refusal", "status", "cause"),
    [
        (replies.bad_head(BadHead(400, "x")), 400, b"malformed"),
        (replies.bad_head(BadHead(431, "x", Rejection.HEAD_TOO_LARGE)), 431, b"head_too_large"),
        (replies.bad_head(BadHead(405, "x", Rejection.METHOD)), 405, b"method"),
        (replies.bad_body("x"), 400, b"malformed"),
        (replies.foreign_host("evil.example.com"), 403, b"host"),
        (replies.SLOW_HEAD, 408, b"head_timeout"),
        (replies.SLOW_BODY, 408, b"body_timeout"),
        (replies.OVERLOAD, 503, b"overload"),
        (replies.DRAINING, 503, b"draining"),
        (UNREACHABLE, 502, b"upstream_refused"),
        (replies.hung_up(URL), 502, b"upstream_reset"),
        (replies.garbage(URL, "x"), 502, b"upstream_garbage"),
        (replies.silent(URL, 5.0), 504, b"connect_timeout"),
    ],
)
def test_the_cause_is_named(refusal, status, cause):
    code, fields, body = read(render(refusal, Dialect.OPENAI, is_closing=True))
    assert (code, fields[b"x-ollamon-error"]) == (status, cause)
    assert fields[b"connection"] == b"close"
    kind = json.loads(body)["error"]["type"]
    assert kind == ("api_error" if status >= 500 else "invalid_request_error")
    assert (b"retry-after" in fields) is (status == 503)
    assert (b"allow" in fields) is (status == 405)


def test_an_answer_to_head_has_no_body():
    data = render(UNREACHABLE, Dialect.OLLAMA, is_closing=False, has_body=False)
    assert data.endswith(b"\r\n\r\n")
    assert read(data, "HEAD")[2] == b""


def test_an_old_client_gets_its_own_version():
    data = render(UNREACHABLE, Dialect.OLLAMA, is_closing=False, minor=0)
    assert data.startswith(b"HTTP/1.0 502 Bad Gateway\r\n")


def test_an_overload_of_messages_is_what_its_clients_repeat():
    body = read(render(replies.OVERLOAD, Dialect.ANTHROPIC, is_closing=True))[2]
    assert json.loads(body)["error"]["type"] == "overloaded_error"


def test_a_text_from_outside_is_cut_and_escaped():
    refusal = replies.foreign_host('a"\xff\r\n' + "x" * 5000)
    data = render(refusal, Dialect.OLLAMA, is_closing=True)
    assert len(data) < 700
    assert '"\xff' in json.loads(read(data)[2])["error"]


def test_a_refusal_is_a_value():
    assert Refusal(400, "a", "b") == Refusal(400, "a", "b")
