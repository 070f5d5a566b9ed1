"""The routes of the simulated Ollama: native ones and OpenAI's."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from random import Random

from aiohttp import web

from ollamon.demo import answers, asks, bodies, listings, openai, pacing
from ollamon.demo.answers import Document, Usage
from ollamon.demo.engine import Engine
from ollamon.demo.openai import Completion
from ollamon.demo.pacing import Job, Piece


def json_answer(document: Document, status: int = 200) -> web.Response:
    """Return an answer of a native route."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return web.Response(body=answers.encode(document), status=status, headers=headers)


def openai_answer(document: Document, status: int = 200) -> web.Response:
    """Return an answer of an OpenAI route."""
    # Ollama writes these in another way than the native ones: no charset, and a final newline.
    headers = {"Content-Type": "application/json"}
    return web.Response(body=answers.encode(document) + b"\n", status=status, headers=headers)


class Routes:
    """The handlers."""

    def __init__(self, engine: Engine, rng: Random) -> None:
        self._engine = engine
        self._rng = rng
        self._installed = _now() - timedelta(days=9)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register every route."""
        router.add_get("/", self.root)
        router.add_get("/api/version", self.version)
        router.add_get("/api/tags", self.tags)
        router.add_get("/api/ps", self.ps, allow_head=False)
        router.add_post("/api/show", self.show)
        router.add_post("/api/chat", self.chat)
        router.add_post("/api/generate", self.generate)
        router.add_post("/api/embed", self.embed)
        router.add_get("/v1/models", self.models)
        router.add_get("/v1/models/{name:.+}", self.model)
        router.add_post("/v1/chat/completions", self.openai_chat)

    async def root(self, _: web.Request) -> web.Response:
        """GET /."""
        return web.Response(text="Ollama is running")

    async def version(self, _: web.Request) -> web.Response:
        """GET /api/version."""
        return json_answer({"version": listings.VERSION})

    async def tags(self, _: web.Request) -> web.Response:
        """GET /api/tags."""
        return json_answer(listings.tags(self._installed))

    async def ps(self, _: web.Request) -> web.Response:
        """GET /api/ps."""
        return json_answer(listings.ps(self._engine.residents(), _now(), self._engine.now()))

    async def show(self, request: web.Request) -> web.Response:
        """POST /api/show."""
        ask = bodies.parse(bodies.Named, await request.read())
        return json_answer(listings.show(asks.shown(ask.model), self._installed))

    async def models(self, _: web.Request) -> web.Response:
        """GET /v1/models."""
        created = int(self._installed.timestamp())
        return openai_answer(openai.model_list(created))

    async def model(self, request: web.Request) -> web.Response:
        """GET /v1/models/NAME."""
        name = request.match_info["name"]
        asks.shown(name)
        card = openai.model_card(name, int(self._installed.timestamp()))
        return openai_answer(card)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /api/chat."""
        ask = bodies.parse(bodies.Chat, await request.read())
        job = asks.chat_job(ask)
        if not ask.messages:
            return await self._bare(job, is_chat=True)

        def write(pieces: list[Piece], usage: Usage | None) -> Document:
            return answers.native_chat(job, _now(), pieces, usage)

        return await self._native(request, job, ask.is_streamed, write)

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """POST /api/generate."""
        ask = bodies.parse(bodies.Generate, await request.read())
        job = asks.generate_job(ask)
        if not ask.prompt:
            return await self._bare(job, is_chat=False)
        said: list[Piece] = []

        def write(pieces: list[Piece], usage: Usage | None) -> Document:
            said.extend(pieces)
            context = answers.context_of(job, said) if usage else []
            return answers.native_generate(job, _now(), pieces, usage, context)

        return await self._native(request, job, ask.is_streamed, write)

    async def embed(self, request: web.Request) -> web.Response:
        """POST /api/embed."""
        ask = bodies.parse(bodies.Embed, await request.read())
        job = asks.embed_job(ask)
        usage = await self._engine.embed(job)
        vectors = [pacing.embedding(text, job.model.embedding_length) for text in ask.texts]
        return json_answer(answers.embedded(job, vectors, usage))

    async def openai_chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        ask = bodies.parse(bodies.OpenAiChat, await request.read())
        job = asks.openai_job(ask)
        completion = Completion(job, self._rng.randrange(1000), int(_now().timestamp()))
        if ask.stream:

            def write(event: Piece | Usage, place: int) -> bytes:
                if isinstance(event, Usage):
                    return completion.end(event, tells_usage=ask.wants_usage)
                return completion.chunk(event, is_first=place == 0)

            return await self._stream(request, "text/event-stream", job, write)
        pieces, usage = await self._whole(job)
        return openai_answer(completion.whole(pieces, usage))

    async def _bare(self, job: Job, *, is_chat: bool) -> web.Response:
        reason = await self._engine.warm_up(job)
        return json_answer(answers.native_bare(job, _now(), reason, is_chat=is_chat))

    async def _native(
        self,
        request: web.Request,
        job: Job,
        is_streamed: bool,
        write: Callable[[list[Piece], Usage | None], Document],
    ) -> web.StreamResponse:
        if not is_streamed:
            return json_answer(write(*await self._whole(job)))

        def line(event: Piece | Usage, _: int) -> bytes:
            document = write([], event) if isinstance(event, Usage) else write([event], None)
            return answers.encode(document) + b"\n"

        return await self._stream(request, "application/x-ndjson", job, line)

    async def _whole(self, job: Job) -> tuple[list[Piece], Usage]:
        pieces: list[Piece] = []
        async with aclosing(self._engine.generate(job)) as events:
            async for event in events:
                if isinstance(event, Usage):
                    return pieces, event
                pieces.append(event)
        raise AssertionError("an answer ends with its usage")

    async def _stream(
        self,
        request: web.Request,
        content_type: str,
        job: Job,
        write: Callable[[Piece | Usage, int], bytes],
    ) -> web.StreamResponse:
        """Send each event as a chunk; the head leaves with the first, as Ollama's does.

        Args:
            write: Makes bytes of an event and its place.
        """
        response = web.StreamResponse(headers={"Content-Type": content_type})
        place = 0
        # Closing frees the model's slot at once when the client has left.
        async with aclosing(self._engine.generate(job)) as events:
            async for event in events:
                if place == 0:
                    await response.prepare(request)
                await response.write(write(event, place))
                place += 1
        await response.write_eof()
        return response


def _now() -> datetime:
    return datetime.now(UTC)
