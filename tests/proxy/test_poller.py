import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ollamon.metrics import catalog
from ollamon.metrics.instruments import Instruments
from ollamon.proxy import poller
from ollamon.proxy.poller import Answer, LoadedModel
from ollamon.proxy.recorder import Recorder
from ollamon.proxy.routes import route_of
from ollamon.proxy.tap import AnswerHead, Ending
from ollamon.proxy.upstream_state import UpstreamBox, UpstreamKind, UpstreamState

SAMPLES = Path(__file__).parents[1] / "samples" / "ollama" / "native"
NO_MODELS = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"models":[]}'


def recorded(name: str) -> bytes:
    return (SAMPLES / f"{name}.http").read_bytes()


def document(name: str) -> object:
    return json.loads(recorded(name).partition(b"\r\n\r\n")[2])


def answer(status: int, body: bytes = b"", fields: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), fields, body)


class FakeOllama:
    """A server whose answers are bytes by path, and which keeps the heads that it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {
            "/api/ps": recorded("ps-kept-for-ever"),
            "/api/tags": recorded("tags"),
            "/api/version": recorded("version"),
        }
        self.heads: list[bytes] = []
        self.asked = asyncio.Event()
        self.is_silent = False
        self.host = "127.0.0.1"
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def count(self, path: str) -> int:
        return sum(head.startswith(b"GET %s " % path.encode()) for head in self.heads)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                self.asked.set()
                if self.is_silent:
                    await reader.read()
                writer.write(self.answers[head.split()[1].decode()])
        writer.close()


class Polling:
    def __init__(self, ollama: FakeOllama) -> None:
        self.ollama = ollama
        self.registry = CollectorRegistry()
        self.instruments = Instruments(self.registry)
        self.recorder = Recorder(self.instruments, max_models=25, recent=100)
        self.box = UpstreamBox()
        self.host_header: str | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Polling"]:
        polling = asyncio.get_running_loop().create_task(
            poller.poll_ollama(
                self.ollama.url,
                self.instruments.board,
                self.recorder,
                self.box,
                host_header=self.host_header,
            )
        )
        try:
            yield self
        finally:
            polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await polling

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():  # noqa: ASYNC110 - a probe, as of any client.
                await asyncio.sleep(0.005)

    async def until_kind(self, kind: UpstreamKind) -> None:
        await self.until(lambda: self.box.state.kind is kind)

    def value(self, metric: catalog.Metric, **labels: str) -> float | None:
        return self.registry.get_sample_value(metric.name, labels)


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    fake = FakeOllama()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "INTERVAL_S", 0.02)
    monkeypatch.setattr(poller, "MAX_INTERVAL_S", 0.04)


async def test_a_poll_shows_what_ollama_has_loaded_and_installed(ollama):
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.UP)
        value = polling.value
        assert polling.box.state == UpstreamState(UpstreamKind.UP, version="0.33.0-snap")
        assert value(catalog.OLLAMA_UP) == 1
        assert value(catalog.COLLECTOR_UP, collector="ollama") == 1
        assert value(catalog.OLLAMA_VERSION, version="0.33.0-snap") == 1
        assert value(catalog.MODELS_INSTALLED) == 3
        assert value(catalog.MODEL_LOADED, model="tiny-loop") == 1
        assert value(catalog.MODEL_SIZE, model="tiny") == 12572425
        assert value(catalog.MODEL_VRAM, model="tiny") == 0
        assert value(catalog.MODEL_OFFLOAD, model="tiny") == 0
        assert value(catalog.MODEL_CONTEXT, model="tiny-embed") == 4096
        expiry = datetime(2026, 11, 23, 16, 49, 6, 766598, UTC).timestamp()
        assert value(catalog.MODEL_EXPIRES, model="tiny-loop") == pytest.approx(expiry, abs=0.001)
        assert value(catalog.MODEL_EXPIRES, model="tiny") is None
        assert value(catalog.GENERATED_TOKENS, model="tiny") == 0
        info = {"family": "llama", "parameter_size": "898K", "quantization": "F16"}
        assert value(catalog.MODEL_INFO, model="tiny", location="local", **info) == 1
        assert value(catalog.COLLECTOR_ERRORS, collector="ollama") == 0
        assert value(catalog.COLLECTOR_LAST_SUCCESS, collector="ollama") > 1.7e9
        assert value(catalog.COLLECTOR_DURATION, collector="ollama") > 0
        assert value(catalog.MODEL_UNPROXIED_USES, model="tiny") == 0


async def test_the_recorder_learns_which_models_run_elsewhere(ollama, monkeypatch):
    listed = {"models": [{"name": "near"}, {"name": "far", "remote_host": "https://ollama.com"}]}
    ollama.answers["/api/tags"] = answer(200, json.dumps(listed).encode())
    told: list[list[str]] = []
    monkeypatch.setattr(Recorder, "remote_models", lambda _, names: told.append(list(names)))
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.UP)
    assert told[0] == ["far"]


async def test_a_model_that_left_memory_leaves_the_exposition(ollama, quick):
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.UP)
        ollama.answers["/api/ps"] = NO_MODELS
        await polling.until(lambda: polling.value(catalog.MODEL_LOADED, model="tiny") is None)
        assert polling.value(catalog.MODEL_SIZE, model="tiny") is None
        assert polling.value(catalog.MODELS_INSTALLED) == 3


async def test_tags_and_version_are_asked_seldom_and_at_each_return(ollama, quick):
    async with Polling(ollama).running() as polling:
        await polling.until(lambda: ollama.count("/api/ps") > 5)
        assert ollama.count("/api/tags") == ollama.count("/api/version") == 1
        ollama.answers["/api/ps"] = answer(500)
        await polling.until_kind(UpstreamKind.DOWN)
        ollama.answers["/api/ps"] = NO_MODELS
        await polling.until_kind(UpstreamKind.UP)
        assert ollama.count("/api/tags") == ollama.count("/api/version") == 2


async def test_a_server_that_goes_away_is_down_and_up_again_when_it_returns(ollama, quick):
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.UP)
        await ollama.stop()
        ollama.answers["/api/ps"] = b""
        await polling.until_kind(UpstreamKind.DOWN)
        assert polling.value(catalog.OLLAMA_UP) == 0
        assert polling.value(catalog.COLLECTOR_UP, collector="ollama") == 0
        ollama.answers["/api/ps"] = NO_MODELS
        await ollama.start()
        await polling.until_kind(UpstreamKind.UP)
        assert polling.value(catalog.OLLAMA_UP) == 1


async def test_nothing_listening_is_down_with_the_reason(ollama, quick):
    await ollama.stop()
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.DOWN)
        assert polling.box.state.reason.startswith(f"cannot reach Ollama at {ollama.url}: ")
        assert "refused" in polling.box.state.reason
        assert polling.value(catalog.OLLAMA_UP) == 0
    await ollama.start()


async def test_a_server_that_is_silent_is_down(ollama, quick, monkeypatch):
    monkeypatch.setattr(poller, "TIMEOUT_S", 0.1)
    ollama.is_silent = True
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.DOWN)
        assert polling.box.state.reason.endswith("no answer within 0.1 s")


async def test_an_answer_to_a_client_ends_a_long_wait(ollama, quick, monkeypatch):
    monkeypatch.setattr(poller, "MAX_INTERVAL_S", 3600)
    monkeypatch.setattr(poller, "next_delay", lambda *_: 3600)
    ollama.answers["/api/ps"] = answer(500)
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.DOWN)
        ollama.answers["/api/ps"] = NO_MODELS
        tap = polling.recorder.began("POST", route_of("/api/chat"), 1.0)
        tap.answer_began(AnswerHead(200, "", False), 2.0)
        tap.ended(Ending.COMPLETE, 200, 3.0)
        await polling.until_kind(UpstreamKind.UP)


async def test_a_bare_llama_cpp_server_answers_but_is_no_ollama(ollama):
    ollama.answers["/api/ps"] = answer(404, b'{"error":{"message":"File Not Found","code":404}}')
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.NOT_OLLAMA)
        assert "answers, but is no Ollama" in polling.box.state.reason
        assert polling.box.state.is_usable
        assert polling.value(catalog.OLLAMA_UP) == 0


async def test_an_answer_of_many_megabytes_is_not_kept(ollama, monkeypatch):
    monkeypatch.setattr(poller, "MAX_ANSWER", 1000)
    ollama.answers["/api/ps"] = answer(200, b" " * 2000)
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.DOWN)
        assert "more than 1000 bytes" in polling.box.state.reason


async def test_a_redirect_is_not_followed(ollama):
    ollama.answers["/api/ps"] = answer(302, b"", b"Location: /elsewhere\r\n")
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.NOT_OLLAMA)
        assert ollama.count("/elsewhere") == 0


async def test_polls_send_the_host_of_the_configuration_and_no_cookie(ollama, quick, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    ollama.answers["/api/ps"] = answer(200, b'{"models":[]}', b"Set-Cookie: a=b\r\n")
    # A jar keeps no cookies of an address without a name.
    ollama.host = "localhost"
    polling = Polling(ollama)
    polling.host_header = "localhost:11434"
    async with polling.running():
        await polling.until(lambda: ollama.count("/api/ps") > 2)
    assert all(b"\r\nHost: localhost:11434\r\n" in head for head in ollama.heads)
    assert not any(b"cookie" in head.lower() for head in ollama.heads)
    assert all(b"\r\nAccept-Encoding: identity\r\n" in head for head in ollama.heads)


async def test_without_a_host_of_our_own_polls_send_the_one_of_the_url(ollama):
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.UP)
    assert b"\r\nHost: 127.0.0.1:%d\r\n" % ollama.port in ollama.heads[0]


async def test_broken_tags_and_version_leave_those_unknown(ollama):
    ollama.answers["/api/tags"] = answer(200, b"[" * 100_000)
    ollama.answers["/api/version"] = answer(200, b'{"version":NaN}')
    async with Polling(ollama).running() as polling:
        await polling.until_kind(UpstreamKind.UP)
        assert polling.value(catalog.MODELS_INSTALLED) is None
        assert polling.box.state.version == ""


@pytest.mark.parametrize(
    ("found", "kind", "text"),
    [
        (Answer(200, {"models": []}), UpstreamKind.UP, ""),
        (Answer(200, {"models": None}), UpstreamKind.NOT_OLLAMA, "lists no models"),
        (Answer(200, None), UpstreamKind.NOT_OLLAMA, "lists no models"),
        (Answer(404, {}), UpstreamKind.NOT_OLLAMA, "status 404"),
        (Answer(401, {}), UpstreamKind.NOT_OLLAMA, "status 401"),
        (Answer(403), UpstreamKind.DOWN, 'proxy.upstream_host = "localhost"'),
        (Answer(500), UpstreamKind.DOWN, "status 500"),
        (Answer(error="connection refused"), UpstreamKind.DOWN, "http://x: connection refused"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_an_answer_says_about_the_server(found, kind, text):
    state = poller.judge_upstream(found, "http://x")
    assert state.kind is kind
    assert text in state.reason


def test_polls_grow_rare_unless_upstream_is_up_or_merely_refuses():
    up, down = UpstreamState(UpstreamKind.UP), UpstreamState(UpstreamKind.DOWN, "x")
    assert poller.next_delay(30, up, Answer(200)) == 5
    assert poller.next_delay(5, down, Answer(error="refused", is_refused=True)) == 5
    assert poller.next_delay(5, down, Answer(500)) == 10
    assert poller.next_delay(20, down, Answer(error="no answer")) == 30


def test_a_recorded_list_of_loaded_models_is_read():
    tiny, *_ = poller.parse_loaded(document("ps-kept-for-ever"))
    info = ("llama", "898K", "F16", "local")
    assert tiny == LoadedModel("tiny:latest", 12572425, 0, 4096, None, info)
    assert poller.parse_loaded(document("ps-nothing-loaded")) == ()
    assert poller.parse_installed(document("tags")) == (
        *("tiny-loop:latest", "tiny-embed:latest", "tiny:latest"),
    )
    assert poller.parse_version(document("version")) == "0.33.0-snap"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"size": True}, (None, None, None, None)),
        ({"size": -1, "size_vram": 1.5}, (None, None, None, None)),
        ({"size": 2**53 + 1}, (None, None, None, None)),
        ({"size": 10, "size_vram": 5, "context_length": 0}, (10, 5, None, 0.5)),
        ({"size": 10, "size_vram": 11}, (10, 11, None, None)),
        ({"size": 0, "size_vram": 0}, (0, 0, None, None)),
        ({"size": "10", "context_length": [1]}, (None, None, None, None)),
        ({"context_length": 4096}, (None, None, 4096, None)),
    ],
    ids=str,
)
def test_a_number_out_of_range_is_unknown(fields, expected):
    (model,) = poller.parse_loaded({"models": [{"name": "m", **fields}]})
    assert (model.size, model.size_vram, model.context_length, model.offload) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T16:49:06.766598629Z", 1795452546.766598),
        ("2026-11-23T09:49:06-07:00", 1795452546.0),
        ("2026-11-23T16:49:06", None),
        ("2319-03-05T16:31:25.159452609Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("soon", None),
        (7, None),
        (None, None),
    ],
    ids=str,
)
def test_an_expiry_is_a_moment_or_unknown(text, expected):
    (model,) = poller.parse_loaded({"models": [{"name": "m", "expires_at": text}]})
    assert model.expires_at == pytest.approx(expected) if expected else model.expires_at is None


@pytest.mark.parametrize("junk", [None, [], 1, "x", {}, {"models": {}}, {"models": None}], ids=str)
def test_what_is_no_list_of_models_is_none(junk):
    assert poller.parse_loaded(junk) is None
    assert poller.parse_installed(junk) is None
    assert poller.parse_version(junk) == ""


def test_a_model_that_runs_elsewhere_is_in_the_cloud():
    listed = {
        "name": "big:cloud",
        "remote_host": "https://ollama.com:443",
        "details": {"family": 7},
    }
    assert poller.parse_infos({"models": [listed]}) == {"big:cloud": ("", "", "", "cloud")}
    assert poller.parse_infos([]) == {}


def test_items_that_are_no_models_are_left_out():
    junk = {"models": [1, None, [], {}, {"name": 3}, {"name": ""}, {"name": "m"}]}
    assert [model.name for model in poller.parse_loaded(junk)] == ["m"]
    assert poller.parse_installed(junk) == ("m",)


def test_a_version_is_a_bounded_label():
    assert poller.parse_version({"version": "0.33\ud800\n" + "x" * 100}) == "0.33" + "x" * 60
