"""Asks Ollama what it has loaded and installed. Not counted as traffic; honours no proxy variable.

/api/ps every 5 s, /api/version and /api/tags every 60 s. While upstream refuses connections it is
asked at the same rhythm, which costs nothing and sees it return; while it hangs or answers
something else, ever more seldom, until clients get answers again. What comes from outside is
checked for size, type and range.
"""

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import aiohttp

from ollamon import __version__
from ollamon.metrics import catalog
from ollamon.metrics.instruments import Board
from ollamon.proxy.collectors import CollectorHealth
from ollamon.proxy.events import count_of, object_of, objects_of, text_of
from ollamon.proxy.labels import name_label
from ollamon.proxy.recorder import Recorder
from ollamon.proxy.residence import Resident
from ollamon.proxy.upstream_state import UpstreamBox, UpstreamKind, UpstreamState

INTERVAL_S = 5.0
SLOW_INTERVAL_S = 60.0
MAX_INTERVAL_S = 30.0
TIMEOUT_S = 2.0
MAX_ANSWER = 8 * 1024 * 1024
# A value is shown for three polls, each of which may take its whole timeout.
_POLLS_SHOWN = 3
# Value of the label `location`.
_REMOTE = "cloud"
# keep_alive -1 is a date of the year 2319.
_NEVER = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One model of /api/ps. Sizes in bytes; None is unreported or out of range."""

    name: str
    size: int | None
    size_vram: int | None
    context_length: int | None
    expires_at: float | None
    info: tuple[str, ...] = ()
    """Family, parameter size, quantization, location; see `info_of`."""

    @property
    def offload(self) -> float | None:
        """Share on the GPU, 0 to 1."""
        if not self.size or self.size_vram is None or self.size_vram > self.size:
            return None
        return self.size_vram / self.size


def parse_loaded(document: object) -> tuple[LoadedModel, ...] | None:
    """Return the models of an answer of /api/ps; None when it is none."""
    if not isinstance(document, dict) or not isinstance(document.get("models"), list):
        return None
    found = (_loaded_model(item) for item in objects_of(document["models"]))
    return tuple(model for model in found if model.name)


def parse_installed(document: object) -> tuple[str, ...] | None:
    """Return the names of an answer of /api/tags; None when it is none."""
    if not isinstance(document, dict) or not isinstance(document.get("models"), list):
        return None
    names = (text_of(item.get("name")) for item in objects_of(document["models"]))
    return tuple(name for name in names if name)


def parse_infos(document: object) -> dict[str, tuple[str, ...]]:
    """Return what an answer of /api/tags says of each model, by name."""
    models = objects_of(object_of(document).get("models"))
    return {name: info_of(item) for item in models if (name := text_of(item.get("name")))}


def parse_version(document: object) -> str:
    """Return the version of an answer of /api/version, or ""."""
    return name_label(text_of(object_of(document).get("version")))


def _loaded_model(item: Mapping[str, object]) -> LoadedModel:
    return LoadedModel(
        text_of(item.get("name")),
        count_of(item.get("size")),
        count_of(item.get("size_vram")),
        count_of(item.get("context_length")) or None,
        _expiry(item.get("expires_at")),
        info_of(item),
    )


def info_of(item: Mapping[str, object]) -> tuple[str, ...]:
    """Return family, parameter size, quantization and location of a listed model, as labels."""
    details = object_of(item.get("details"))
    names = ("family", "parameter_size", "quantization_level")
    is_remote = bool(text_of(item.get("remote_host")) or text_of(item.get("remote_model")))
    told = (name_label(text_of(details.get(name))) for name in names)
    return (*told, _REMOTE if is_remote else "local")


def _expiry(value: object) -> float | None:
    """Return Unix time; None when it is unreported, or so far away that it means never."""
    try:
        moment = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    if moment.tzinfo is None or not 1970 < moment.year < 2200:
        return None
    seconds = moment.timestamp()
    return seconds if 0 < seconds < _NEVER else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question brought: a status and a JSON document, or why there is none."""

    status: int = 0
    document: object = None
    error: str = ""
    is_refused: bool = False


def judge_upstream(answer: Answer, url: str) -> UpstreamState:
    """Return what an answer to GET /api/ps says about the server at `url`."""
    if answer.error:
        return UpstreamState(UpstreamKind.DOWN, f"cannot reach Ollama at {url}: {answer.error}")
    if answer.status == 403:
        return UpstreamState(
            UpstreamKind.DOWN,
            f"Ollama at {url} refuses the Host that we send (403): "
            'set proxy.upstream_host = "localhost"',
        )
    if answer.status >= 500:
        return UpstreamState(
            UpstreamKind.DOWN, f"{url} answers GET /api/ps with status {answer.status}"
        )
    if not 200 <= answer.status < 300:
        return UpstreamState(
            UpstreamKind.NOT_OLLAMA,
            f"{url} answers, but is no Ollama: GET /api/ps gave status {answer.status}",
        )
    if parse_loaded(answer.document) is None:
        return UpstreamState(
            UpstreamKind.NOT_OLLAMA, f"{url} answers, but is no Ollama: /api/ps lists no models"
        )
    return UpstreamState(UpstreamKind.UP)


def next_delay(delay: float, state: UpstreamState, answer: Answer) -> float:
    """Return seconds until the next poll: longer while something is wrong that costs to ask."""
    if state.kind is UpstreamKind.UP or answer.is_refused:
        return INTERVAL_S
    return min(delay * 2, MAX_INTERVAL_S)


async def poll_ollama(
    url: str,
    board: Board,
    recorder: Recorder,
    state: UpstreamBox,
    *,
    host_header: str | None = None,
) -> NoReturn:
    """Poll for ever: numbers to the board, names to the recorder, the state into its box.

    `host_header` replaces the Host that `url` implies.
    """
    headers = {"User-Agent": f"ollamon/{__version__}", "Accept-Encoding": "identity"}
    if host_header:
        headers["Host"] = host_header
    async with aiohttp.ClientSession(
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        connector=aiohttp.TCPConnector(limit=1),
        headers=headers,
        auto_decompress=False,
    ) as session:
        await _Poller(session, url.rstrip("/"), board, recorder, state).run()


class _Poller:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        board: Board,
        recorder: Recorder,
        box: UpstreamBox,
    ) -> None:
        self._session = session
        self._url = url
        self._board = board
        self._recorder = recorder
        self._box = box
        self._asked_slowly_at = -SLOW_INTERVAL_S
        self._version = ""
        self._health = CollectorHealth(board, "ollama")
        self._infos: dict[str, tuple[str, ...]] = {}

    async def run(self) -> NoReturn:
        delay = INTERVAL_S
        while True:
            self._health.begin()
            answer = await self._ask("/api/ps")
            state = judge_upstream(answer, self._url)
            delay = next_delay(delay, state, answer)
            was_up = self._box.state.kind is UpstreamKind.UP
            if state.kind is UpstreamKind.UP:
                await self._ask_slowly(is_back=not was_up)
                self._show_loaded(parse_loaded(answer.document) or ())
                state = UpstreamState(UpstreamKind.UP, version=self._version)
            else:
                self._recorder.polled(None)
            self._show_state(state, delay)
            await self._rest(delay)

    async def _rest(self, delay: float) -> None:
        """Wait; not to the end of a long delay when clients get answers meanwhile."""
        answered = self._recorder.answered
        while delay > 0 and self._recorder.answered == answered:
            await asyncio.sleep(min(delay, INTERVAL_S))
            delay -= INTERVAL_S

    async def _ask_slowly(self, *, is_back: bool) -> None:
        now = asyncio.get_running_loop().time()
        if not is_back and now - self._asked_slowly_at < SLOW_INTERVAL_S:
            return
        self._asked_slowly_at = now
        lasts = _lasts(SLOW_INTERVAL_S)
        version = await self._ask("/api/version")
        self._version = parse_version(version.document)
        known: dict[tuple[str, ...], float] = {(self._version,): 1.0} if self._version else {}
        self._board.replace(catalog.OLLAMA_VERSION, known, lasts=lasts)
        tags = (await self._ask("/api/tags")).document
        installed = parse_installed(tags)
        if installed is not None:
            self._infos = parse_infos(tags)
            self._recorder.known_models(installed)
            self._board.set(catalog.MODELS_INSTALLED, len(installed), lasts=lasts)

    def _show_loaded(self, models: tuple[LoadedModel, ...]) -> None:
        self._recorder.known_models(model.name for model in models)
        shown: dict[tuple[str, ...], LoadedModel] = {
            (label,): model
            for model in models
            if (label := self._recorder.model_label(model.name)) is not None
        }
        self._recorder.polled(
            {key[0]: Resident(each.context_length, each.expires_at) for key, each in shown.items()}
        )
        lasts = _lasts(INTERVAL_S)
        self._show_infos(models, lasts)
        for metric, values in (
            (catalog.MODEL_LOADED, dict.fromkeys(shown, 1.0)),
            (catalog.MODEL_SIZE, {key: model.size for key, model in shown.items()}),
            (catalog.MODEL_VRAM, {key: model.size_vram for key, model in shown.items()}),
            (catalog.MODEL_OFFLOAD, {key: model.offload for key, model in shown.items()}),
            (catalog.MODEL_CONTEXT, {key: model.context_length for key, model in shown.items()}),
            (catalog.MODEL_EXPIRES, {key: model.expires_at for key, model in shown.items()}),
        ):
            self._board.replace(metric, values, lasts=lasts)

    def _show_infos(self, loaded: tuple[LoadedModel, ...], lasts: float) -> None:
        infos = self._infos | {model.name: model.info for model in loaded if any(model.info)}
        self._recorder.remote_models(name for name, info in infos.items() if info[-1] == _REMOTE)
        labels = {name: self._recorder.model_label(name) for name in infos}
        known = {label: infos[name] for name, label in labels.items() if label is not None}
        self._board.replace(
            catalog.MODEL_INFO,
            {(label, *info): 1.0 for label, info in known.items()},
            lasts=lasts,
        )

    def _show_state(self, state: UpstreamState, delay: float) -> None:
        self._box.put(state)
        is_up = state.kind is UpstreamKind.UP
        self._board.set(catalog.OLLAMA_UP, float(is_up), lasts=_lasts(delay))
        if is_up:
            self._health.worked(_lasts(delay))
        else:
            self._health.failed(_lasts(delay))

    async def _ask(self, path: str) -> Answer:
        try:
            async with self._session.get(self._url + path, allow_redirects=False) as response:
                body = await _read(response)
                return Answer(response.status, _document(body))
        except aiohttp.ClientConnectorError as error:
            return Answer(error=_reason(error.os_error), is_refused=True)
        except TimeoutError:
            return Answer(error=f"no answer within {TIMEOUT_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(error=str(error) or type(error).__name__)


def _lasts(delay: float) -> float:
    return _POLLS_SHOWN * (delay + TIMEOUT_S)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_ANSWER:
            raise ValueError(f"an answer of more than {MAX_ANSWER} bytes")
    return bytes(body)


def _document(body: bytes) -> object:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def _reason(error: OSError) -> str:
    # asyncio says "Connect call failed" for any; a resolver's errors have numbers of their own.
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno).lower()
